import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type BurstInterval,
  type JointNeed,
  jointNeedOfBursts,
  jointNeedOfTraces,
} from '../../../src/policy/joint-need.ts';
import { type SizingTarget, sizeIdle } from '../../../src/policy/sizing.ts';

const COVER_ALL: SizingTarget = { missShare: 0, premiumShare: 0, granularityBytes: 1 };

const burst = (domain: number, startMicros: number, endMicros: number, size: number): BurstInterval => ({
  domain,
  startMicros,
  endMicros,
  bytes: size,
});

describe('sizing from the joint distribution of bursts', () => {
  it('lets bursts that never meet share one pool of the largest', () => {
    const joint = jointNeedOfBursts([burst(0, 0, 10, 64), burst(1, 10, 20, 48), burst(2, 30, 40, 16)], 3);
    const sizing = sizeIdle(joint, COVER_ALL);
    assert.equal(sizing.idleBytes, 64);
    assert.equal(sizing.worstCaseBytes, 128);
  });

  it('needs the sum of the worst cases where bursts always meet, and puts it into reserves then', () => {
    const joint = jointNeedOfBursts([burst(0, 0, 10, 64), burst(1, 0, 10, 48)], 2);
    assert.deepEqual(sizeIdle(joint, COVER_ALL), {
      reserveBytes: [64, 48],
      poolBytes: 0,
      idleBytes: 112,
      worstCaseBytes: 112,
      missedShare: 0,
      ownReserveShare: 1,
      evidence: 'thin',
    });
  });

  it('lies between the two where bursts meet in part', () => {
    const joint = jointNeedOfBursts([burst(0, 0, 10, 40), burst(1, 9, 20, 40), burst(2, 30, 40, 40)], 3);
    assert.equal(sizeIdle(joint, COVER_ALL).idleBytes, 80);
  });

  it('holds less where a rare large burst may be missed', () => {
    const history = Array.from({ length: 100 }, (_, index) =>
      burst(0, index * 10, index * 10 + 5, index === 7 ? 900 : 20),
    );
    const joint = jointNeedOfBursts(history, 1);
    const sizing = sizeIdle(joint, { ...COVER_ALL, missShare: 0.01 });
    assert.equal(sizing.idleBytes, 20);
    assert.equal(sizing.missedShare, 0.01);
    assert.equal(sizing.evidence, 'enough');
    assert.equal(sizeIdle(joint, COVER_ALL).idleBytes, 900);
  });

  it('buys reserves with the premium where they serve most bursts per byte', () => {
    const often = Array.from({ length: 20 }, (_, index) => burst(0, index * 100, index * 100 + 50, 10));
    const rare = [burst(1, 5_000, 5_100, 100), burst(2, 6_000, 6_100, 100)];
    const joint = jointNeedOfBursts([...often, ...rare], 3);
    assert.deepEqual(sizeIdle(joint, COVER_ALL).reserveBytes, [0, 0, 0]);
    const paid = sizeIdle(joint, { ...COVER_ALL, premiumShare: 0.1 });
    assert.deepEqual([paid.reserveBytes, paid.poolBytes], [[10, 0, 0], 100]);
    assert.equal(paid.ownReserveShare, 20 / 22);
  });

  it('asks for nothing, and says so, where no burst was seen', () => {
    const sizing = sizeIdle(jointNeedOfBursts([], 2), COVER_ALL);
    assert.equal(sizing.idleBytes, 0);
    assert.equal(sizing.evidence, 'none');
    assert.equal(sizing.missedShare, undefined);
  });

  it('reads sampled traces as runs above the baseline', () => {
    const joint = jointNeedOfTraces([Float64Array.of(0, 5, 9, 0, 3), Float64Array.of(4, 0)]);
    assert.deepEqual(joint.bursts, [
      { domain: 0, from: 1, to: 3, peakBytes: 9 },
      { domain: 0, from: 4, to: 5, peakBytes: 3 },
      { domain: 1, from: 0, to: 1, peakBytes: 4 },
    ]);
    assert.equal(sizeIdle(joint, COVER_ALL).idleBytes, 9);
  });
});

describe('sizing, for all histories', () => {
  const DOMAINS = 3;
  const histories = fc.array(
    fc.record({
      domain: fc.nat(DOMAINS - 1),
      startMicros: fc.nat(60),
      length: fc.integer({ min: 1, max: 20 }),
      bytes: fc.integer({ min: 1, max: 64 }),
    }),
    { minLength: 1, maxLength: 25 },
  );
  const jointNeeds = histories.map((history) =>
    jointNeedOfBursts(
      history.map(({ length, ...rest }) => ({ ...rest, endMicros: rest.startMicros + length })),
      DOMAINS,
    ),
  );
  const targets = fc.record({
    missShare: fc.constantFrom(0, 0.05, 0.2, 0.5),
    premiumShare: fc.constantFrom(0, 0.25, 1),
    granularityBytes: fc.constantFrom(1, 4, 16),
  });

  it('covers all bursts but the share that may be missed', () => {
    fc.assert(
      fc.property(jointNeeds, targets, (joint, target) => {
        const { reserveBytes, poolBytes, missedShare } = sizeIdle(joint, target);
        assert.equal(missedShare, missedBy(joint, reserveBytes, poolBytes) / joint.bursts.length);
        assert.ok(missedShare <= target.missShare);
      }),
    );
  });

  it('never holds more than the sum of worst cases and the premium', () => {
    fc.assert(
      fc.property(jointNeeds, targets, (joint, target) => {
        const { idleBytes, worstCaseBytes } = sizeIdle(joint, target);
        assert.ok(idleBytes <= (worstCaseBytes + target.granularityBytes) * (1 + target.premiumShare));
      }),
    );
  });

  it('finds the least idle memory that misses no burst', () => {
    fc.assert(
      fc.property(jointNeeds, (joint) => {
        const moments = joint.needBytes[0]!.length;
        let together = 0;
        for (let at = 0; at < moments; at++) {
          together = Math.max(
            together,
            joint.needBytes.reduce((sum, need) => sum + need[at]!, 0),
          );
        }
        assert.equal(sizeIdle(joint, COVER_ALL).idleBytes, together);
      }),
    );
  });

  it('never holds more than the best pool without reserves would', () => {
    fc.assert(
      fc.property(jointNeeds, targets, (joint, target) => {
        const { idleBytes } = sizeIdle(joint, { ...target, premiumShare: 0 });
        const none = joint.needBytes.map(() => 0);
        let pool = 0;
        while (missedBy(joint, none, pool) > target.missShare * joint.bursts.length) pool += target.granularityBytes;
        assert.ok(idleBytes <= pool);
      }),
    );
  });

  it('serves at least as many bursts from reserves for a higher premium', () => {
    fc.assert(
      fc.property(jointNeeds, (joint) => {
        const shares = [0, 0.1, 0.5, 3].map((premiumShare) => sizeIdle(joint, { ...COVER_ALL, premiumShare }));
        assert.equal(shares[3]!.ownReserveShare, 1, 'a premium that pays for every worst case is spent on them');
        for (const share of shares) assert.ok(share.ownReserveShare! >= shares[0]!.ownReserveShare!);
      }),
    );
  });
});

/** The definition, counted plainly. */
function missedBy(joint: JointNeed, reserves: readonly number[], pool: number): number {
  return joint.bursts.filter(({ domain, from, to }) => {
    for (let at = from; at < to; at++) {
      const over = joint.needBytes.map((need, other) => Math.max(0, need[at]! - reserves[other]!));
      if (over[domain]! > 0 && over.reduce((sum, bytes) => sum + bytes, 0) > pool) return true;
    }
    return false;
  }).length;
}
