import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { shippedRecordings } from '../../../src/evaluation/recording/catalogue.ts';
import { readRecording } from '../../../src/evaluation/recording/read.ts';
import {
  DEFAULT_REPLAY_RULE,
  planReplay,
  type ReplayPlan,
  type ReplayRule,
} from '../../../src/evaluation/replay/plan.ts';
import type { MemoryTrace } from '../../../src/pressure/trace.ts';
import { MIB } from '../../../src/units.ts';
import { repositoryRoot } from '../../architecture/source-tree.ts';

const traceOf = (rows: ReadonlyArray<readonly [millis: number, mebibytes: number]>): MemoryTrace => ({
  atMicros: Float64Array.from(rows.map(([at]) => at * 1000)),
  usedBytes: Float64Array.from(rows.map(([, used]) => used * MIB)),
});
const plan = (rows: Parameters<typeof traceOf>[0], rule: Partial<ReplayRule> = {}) =>
  planReplay(traceOf(rows), { ...DEFAULT_REPLAY_RULE, ...rule });
/** `10 take 32` for 32 MiB taken at 10 ms. */
const told = ({ steps }: ReplayPlan): string[] =>
  steps.map((step) => {
    const taken = step.kind === 'take' ? step : steps.find((each) => each.kind === 'take' && each.lease === step.lease);
    return `${step.atMicros / 1000} ${step.kind} ${taken?.kind === 'take' ? taken.byteLength / MIB : '?'}`;
  });

describe('a replay plan', () => {
  it('asks once for what the next 100 ms will need, in powers of two', () => {
    const rising = plan([
      [0, 0],
      [10, 1],
      [60, 20],
      [100, 45],
      [500, 45],
    ]);
    assert.deepEqual(told(rising).slice(0, 4), ['10 take 32', '10 take 8', '10 take 4', '10 take 1']);
    assert.equal(rising.peakBytes, 45 * MIB);
  });

  it('takes a slow rise in small steps', () => {
    const rows = Array.from({ length: 5 }, (_, second) => [second * 1000, second] as const);
    assert.deepEqual(told(plan(rows)).slice(0, 4), ['1000 take 1', '2000 take 1', '3000 take 1', '4000 take 1']);
  });

  it('gives back whole leases, the largest that is not needed first', () => {
    const fallen = plan([
      [0, 12],
      [200, 7],
      [400, 2],
      [600, 2],
    ]);
    assert.deepEqual(told(fallen), ['0 take 8', '0 take 4', '200 give 4', '600 give 8']);
  });

  it('keeps what will be needed again at once', () => {
    const dip = plan([
      [0, 8],
      [200, 0],
      [250, 8],
      [600, 8],
    ]);
    assert.deepEqual(told(dip), ['0 take 8', '600 give 8']);
  });

  it('divides a rise that is larger than the largest request', () => {
    const steps = told(plan([[0, 10]], { largestBytes: 4 * MIB }));
    assert.deepEqual(steps.slice(0, 3), ['0 take 4', '0 take 4', '0 take 2']);
  });

  it('counts time from the first sample, at the speed asked for', () => {
    const faster = plan(
      [
        [1000, 4],
        [3000, 4],
      ],
      { speed: 2 },
    );
    assert.deepEqual(told(faster), ['0 take 4', '1000 give 4']);
    assert.equal(faster.durationMicros, 1_000_000);
  });

  it('refuses a rule that makes no sense', () => {
    for (const wrong of [
      { scale: 0 },
      { speed: Number.NaN },
      { smallestBytes: 0 },
      { largestBytes: 1 },
      { aheadMicros: -1 },
    ]) {
      assert.throws(() => plan([[0, 1]], wrong), RangeError);
    }
  });
});

const traces = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 300_000 }), fc.integer({ min: 0, max: 300 * MIB })), {
    minLength: 1,
    maxLength: 80,
  })
  .map((rows): MemoryTrace => {
    let at = 0;
    return {
      atMicros: Float64Array.from(rows.map(([gap]) => (at += gap))),
      usedBytes: Float64Array.from(rows.map(([, used]) => used)),
    };
  });
const rules = fc.record({
  scale: fc.double({ min: 0.01, max: 4, noNaN: true }),
  speed: fc.double({ min: 0.25, max: 8, noNaN: true }),
  smallestBytes: fc.constantFrom(MIB / 4, MIB, 3 * MIB),
  largestBytes: fc.constantFrom(4 * MIB, 64 * MIB),
  aheadMicros: fc.constantFrom(0, 50_000, 100_000, 1_000_000),
});

/** Walks the plan beside the trace; after each instant `look` sees what is held. */
function follow(
  plan: ReplayPlan,
  look: (atMicros: number, held: ReadonlyMap<number, number>) => void,
): Map<number, number> {
  const held = new Map<number, number>();
  const ever = new Set<number>();
  let last = 0;
  for (const [index, step] of plan.steps.entries()) {
    assert.ok(step.atMicros >= last, 'in the order of time');
    last = step.atMicros;
    if (step.kind === 'take') {
      assert.ok(!ever.has(step.lease), 'a lease is taken once');
      ever.add(step.lease);
      held.set(step.lease, step.byteLength);
    } else {
      assert.ok(held.delete(step.lease), 'what is given back was held');
    }
    if (plan.steps[index + 1]?.atMicros !== step.atMicros) look(step.atMicros, held);
  }
  return held;
}
const sum = (held: ReadonlyMap<number, number>): number => [...held.values()].reduce((all, each) => all + each, 0);

describe('every replay plan', () => {
  it('gives back all that it took, and nothing else', () => {
    fc.assert(
      fc.property(traces, rules, (trace, rule) => {
        assert.equal(follow(planReplay(trace, rule), () => {}).size, 0);
      }),
    );
  });

  it('holds what the trace needs, and no lease that it could do without', () => {
    fc.assert(
      fc.property(traces, rules, (trace, rule) => {
        const played = planReplay(trace, rule);
        const start = trace.atMicros[0]!;
        const at = Array.from(trace.atMicros, (instant) => (instant - start) / rule.speed);
        const need = Array.from(trace.usedBytes, (used) => used * rule.scale);
        const heldAt = new Map<number, { bytes: number; smallest: number }>();
        follow(played, (instant, held) => {
          if (instant < played.durationMicros)
            heldAt.set(instant, { bytes: sum(held), smallest: Math.min(...held.values()) });
        });
        let held = { bytes: 0, smallest: Number.POSITIVE_INFINITY };
        for (let index = 0; index < at.length - 1; index++) {
          held = heldAt.get(at[index]!) ?? held;
          const ahead = need.filter(
            (_, other) => at[other]! >= at[index]! && at[other]! <= at[index]! + rule.aheadMicros,
          );
          assert.ok(held.bytes > need[index]! - rule.smallestBytes, 'at most a step too little');
          assert.ok(held.bytes - Math.max(...ahead) < held.smallest, 'less than a lease too much');
        }
      }),
    );
  });

  it('asks only for sizes of its rule', () => {
    fc.assert(
      fc.property(traces, rules, (trace, rule) => {
        for (const step of planReplay(trace, rule).steps) {
          if (step.kind === 'give') continue;
          const { byteLength } = step;
          assert.ok(byteLength >= rule.smallestBytes && byteLength <= rule.largestBytes);
          assert.ok(Number.isInteger(Math.log2(byteLength / rule.smallestBytes)));
        }
      }),
    );
  });
});

describe('the recordings that ship', () => {
  it('ask for small, middle and large amounts', async () => {
    for (const { path, name } of await shippedRecordings(repositoryRoot())) {
      const { trace } = await readRecording(path);
      const sizes = planReplay(trace, DEFAULT_REPLAY_RULE).steps.flatMap((step) =>
        step.kind === 'take' ? [step.byteLength] : [],
      );
      for (const [low, high] of [
        [1, 2],
        [4, 16],
        [32, 64],
      ] as const) {
        assert.ok(
          sizes.some((size) => size >= low * MIB && size <= high * MIB),
          `${name}: none of ${low} to ${high} MiB`,
        );
      }
    }
  });
});
