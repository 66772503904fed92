/** The sizing of the study, worked out from the recordings that ship. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { ReplayPlan } from '../../../../src/evaluation/replay/plan.ts';
import {
  needsOf,
  planText,
  RECORDINGS,
  scheduleOf,
  tightness,
} from '../../../../src/evaluation/replay/xen/schedule.ts';
import { readTraces } from '../../../../src/evaluation/replay/xen/study.ts';
import { bytes, MIB, mebibytes } from '../../../../src/units.ts';

const take = (atMicros: number, lease: number, mib: number) => ({
  kind: 'take' as const,
  atMicros,
  lease,
  byteLength: mib * MIB,
});
const give = (atMicros: number, lease: number) => ({ kind: 'give' as const, atMicros, lease });
const plan = (...steps: ReplayPlan['steps']): ReplayPlan => ({ steps, durationMicros: 100, peakBytes: 8 * MIB });

describe('what plans need together', () => {
  it('is the most at any one time, not the sum of the peaks', () => {
    const first = plan(take(0, 0, 8), give(50, 0));
    const second = plan(take(10, 0, 2), take(60, 1, 6), give(70, 1), give(80, 0));
    assert.deepEqual(needsOf([first, second]), { sumOfPeaksBytes: 16 * MIB, jointPeakBytes: 10 * MIB });
  });

  it('counts what is taken at an instant before what is given back at it', () => {
    const both = [plan(take(0, 0, 8), give(50, 0)), plan(take(50, 0, 8), give(90, 0))];
    assert.equal(needsOf(both).jointPeakBytes, 16 * MIB);
  });
});

it('a plan is told to the player in lines, and ends', () => {
  assert.equal(planText(plan(take(5, 0, 1), give(7, 0))), 'take 5 0 1048576\ngive 7 0 0\nend 100 0 0\n');
});

describe('the schedule', () => {
  const sizes = { peakBytes: mebibytes(200), slotSeconds: 20 };
  let plans: readonly [ReplayPlan, ReplayPlan];
  before(async () => {
    plans = scheduleOf(await readTraces(), sizes);
  });

  it('plays all three recordings in both guests, scaled to the peak, and gives everything back', () => {
    assert.equal(RECORDINGS.length, 3);
    for (const { steps, peakBytes, durationMicros } of plans) {
      assert.ok(peakBytes <= sizes.peakBytes && peakBytes > sizes.peakBytes * 0.95, `${peakBytes / MIB} MiB`);
      const held = new Set<number>();
      let before = 0;
      for (const step of steps) {
        assert.ok(step.atMicros >= before && step.atMicros <= durationMicros);
        before = step.atMicros;
        if (step.kind === 'take') assert.ok(!held.has(step.lease) && held.add(step.lease));
        else assert.ok(held.delete(step.lease), `lease ${step.lease} is held`);
      }
      assert.equal(held.size, 0);
      // Three slots of 20 s and what begins later in them, with a second between.
      assert.ok(durationMicros > 60e6 && durationMicros < 70e6, `${durationMicros / 1e6} s`);
    }
  });

  it('is out of phase: together far less than the peaks, and more than one of them', () => {
    const { sumOfPeaksBytes, jointPeakBytes } = needsOf(plans);
    assert.ok(jointPeakBytes < 0.7 * sumOfPeaksBytes, `${jointPeakBytes / MIB} of ${sumOfPeaksBytes / MIB} MiB`);
    assert.ok(jointPeakBytes > 1.1 * sizes.peakBytes);
  });

  it('is tight where peaks, with the guests’ own needs, exceed the total', () => {
    const own = [76 * MIB, 76 * MIB];
    const all = { ...sizes, floorBytes: bytes(0), bootBytes: mebibytes(384) };
    assert.equal(tightness({ ...all, totalBytes: mebibytes(512) }, plans, own).isTight, true);
    assert.equal(tightness({ ...all, totalBytes: mebibytes(560) }, plans, own).isTight, false);
  });
});
