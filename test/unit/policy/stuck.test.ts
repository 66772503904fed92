import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  createConductTable,
  DEFAULT_STUCK_RULE,
  entitlement,
  isStuck,
  judgeDonor,
  type StuckRule,
} from '../../../src/policy/stuck.ts';

const RULE: StuckRule = { missesUntilStuck: 3, firstBackoffMicros: 100, largestBackoffMicros: 800 };
const DONOR = 1;

function donor(rule = RULE) {
  const conduct = createConductTable(3);
  return {
    conduct,
    miss: (now: number) => judgeDonor(conduct, DONOR, 10, 0, now, rule),
    return: (returned: number, now: number) => judgeDonor(conduct, DONOR, 10, returned, now, rule),
    stuckAt: (now: number) => isStuck(conduct, DONOR, now),
  };
}

describe('a donor that misses its deadlines', () => {
  it('is stuck at the third in a row, and only it', () => {
    const { conduct, miss, stuckAt } = donor();
    assert.deepEqual([miss(1), miss(2), miss(3)], ['missed', 'missed', 'stuck']);
    assert.equal(stuckAt(3), true);
    assert.equal(isStuck(conduct, 0, 3), false);
  });

  it('is asked again when its back-off is over', () => {
    const { miss, stuckAt } = donor();
    for (const now of [1, 2, 3]) miss(now);
    assert.deepEqual([stuckAt(102), stuckAt(103)], [true, false]);
  });

  it('is on probation then: one more miss doubles the back-off', () => {
    const { miss, stuckAt } = donor();
    for (const now of [1, 2, 3]) miss(now);
    assert.equal(miss(200), 'stuck');
    assert.deepEqual([stuckAt(399), stuckAt(400)], [true, false]);
  });

  it('is left alone for the cap at most', () => {
    const { conduct, miss } = donor();
    let now = 0;
    for (let round = 0; round < 20; round++) {
      miss(now);
      now = Math.max(now, conduct.stuckUntilMicros[DONOR]!);
    }
    assert.equal(conduct.backoffMicros[DONOR], RULE.largestBackoffMicros);
  });

  it('is forgiven everything by one delivery, even a late one', () => {
    const late = donor();
    for (const now of [1, 2, 3]) late.miss(now);
    assert.equal(late.return(10, 50), 'met');
    assert.equal(late.stuckAt(50), false);
    assert.deepEqual([late.miss(51), late.miss(52), late.miss(53)], ['missed', 'missed', 'stuck']);
    assert.deepEqual([late.stuckAt(152), late.stuckAt(153)], [true, false], 'the back-off starts at its first size');
  });

  it('is slow, not stuck, while it returns half of what it is asked', () => {
    const { return: give, stuckAt } = donor();
    for (let now = 0; now < 10; now++) assert.equal(give(5, now), 'slow');
    assert.equal(stuckAt(10), false);
  });

  it('is not forgiven for a token return', () => {
    const { return: give } = donor();
    assert.deepEqual([give(1, 1), give(1, 2), give(1, 3)], ['missed', 'missed', 'stuck']);
  });

  it('pays once for several requests that run out together', () => {
    const { conduct, miss } = donor();
    for (let request = 0; request < 9; request++) miss(5);
    assert.equal(conduct.backoffMicros[DONOR], RULE.firstBackoffMicros);
  });

  it('has its entitlement cut to what it holds', () => {
    assert.equal(entitlement(100, 40, true), 40);
    assert.equal(entitlement(100, 40, false), 100);
    assert.equal(entitlement(100, 140, true), 100);
  });

  it('costs others a bounded number of deadlines, whatever it does', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ wait: fc.nat(500_000), returned: fc.nat(4) }), { maxLength: 200 }), (asks) => {
        const { conduct, return: give, stuckAt } = donor(DEFAULT_STUCK_RULE);
        let now = 0;
        let wasted = 0;
        for (const { wait, returned } of asks) {
          now += wait;
          if (stuckAt(now)) continue;
          give(returned, now);
          wasted++;
          assert.ok(conduct.backoffMicros[DONOR]! <= DEFAULT_STUCK_RULE.largestBackoffMicros);
        }
        const backoffs = Math.ceil(now / DEFAULT_STUCK_RULE.firstBackoffMicros);
        assert.ok(wasted <= DEFAULT_STUCK_RULE.missesUntilStuck + backoffs);
      }),
    );
  });
});
