import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  NO_DEMAND,
  observeDraw,
  type ReservePhase,
  stepReserve,
  type WatermarkRule,
  watermarksFor,
} from '../../../src/policy/watermarks.ts';
import { mebibytes } from '../../../src/units.ts';

const MIB = mebibytes(1);
const RULE: WatermarkRule = {
  smallestTarget: 4 * MIB,
  largestTarget: 256 * MIB,
  headroom: 1.25,
  lowShare: 0.5,
  highShare: 1.5,
  halfLifeMicros: 10_000_000,
  giveBackShare: 0.25,
  smallestGiveBack: MIB,
};

const targetAfter = (drawn: number, later: number): number =>
  watermarksFor(observeDraw(NO_DEMAND, drawn, 0, RULE), later, RULE).target;

describe('the reserve target', () => {
  it('rises at once to the largest draw with headroom', () => {
    assert.equal(targetAfter(64 * MIB, 0), 80 * MIB);
  });

  it('sinks by half in a half-life of quiet', () => {
    assert.equal(targetAfter(64 * MIB, 10_000_000), 40 * MIB);
  });

  it('is not lowered by a smaller draw', () => {
    const large = observeDraw(NO_DEMAND, 64 * MIB, 0, RULE);
    assert.equal(watermarksFor(observeDraw(large, MIB, 0, RULE), 0, RULE).target, 80 * MIB);
  });

  it('stays within its bounds', () => {
    assert.equal(targetAfter(0, 0), RULE.smallestTarget);
    assert.equal(targetAfter(900 * MIB, 0), RULE.largestTarget);
  });

  it('follows the draws and never the passing of time upwards', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(60_000_000), fc.nat(60_000_000), (drawn, early, wait) => {
        assert.ok(targetAfter(drawn * MIB, early + wait) <= targetAfter(drawn * MIB, early));
      }),
    );
  });
});

describe('a reserve between its watermarks', () => {
  const marks = { low: 40 * MIB, target: 80 * MIB, high: 120 * MIB };
  const step = (held: number, phase: ReservePhase) => stepReserve(marks, held * MIB, phase, RULE);

  it('is left alone', () => {
    for (const held of [40, 79, 80, 81, 120]) assert.deepEqual(step(held, 'steady'), { phase: 'steady', change: 0 });
  });

  it('is refilled to the target in one step once it is below the low mark', () => {
    assert.deepEqual(step(39, 'steady'), { phase: 'filling', change: 41 * MIB });
  });

  it('goes on filling to the target where less came than was asked for', () => {
    assert.deepEqual(step(60, 'filling'), { phase: 'filling', change: 20 * MIB });
    assert.deepEqual(step(80, 'filling'), { phase: 'steady', change: 0 });
  });

  it('gives back a part of the excess at a time once it is above the high mark', () => {
    assert.deepEqual(step(160, 'steady'), { phase: 'draining', change: -20 * MIB });
    assert.deepEqual(step(100, 'draining'), { phase: 'draining', change: -5 * MIB });
  });

  it('settles, from wherever it starts, within a bounded number of steps', () => {
    fc.assert(
      fc.property(fc.nat(4096), (start) => {
        let held = start * MIB;
        let phase: ReservePhase = 'steady';
        let steps = 0;
        for (;;) {
          const next = stepReserve(marks, held, phase, RULE);
          if (next.phase === 'steady') break;
          held += next.change;
          phase = next.phase;
          assert.ok(++steps < 100, 'does not settle');
        }
        assert.ok(held >= marks.low && held <= marks.high);
      }),
    );
  });
});
