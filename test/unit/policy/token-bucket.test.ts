import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stepOf, takeOf } from '../../../src/policy/step.ts';
import { type Bucket, fullBucket, refilled, spend } from '../../../src/policy/token-bucket.ts';

const RULE = { bytesPerSecond: 1000, burstBytes: 500 };

describe('a token bucket', () => {
  it('serves a burst at once, and refuses more than it holds without taking any', () => {
    const after = spend(fullBucket(RULE, 0), RULE, 0, 500)!;
    assert.equal(after.tokenBytes, 0);
    assert.equal(spend(after, RULE, 0, 1), undefined);
  });

  it('earns at its rate and saves up to its burst', () => {
    const empty: Bucket = { tokenBytes: 0, atMicros: 0 };
    assert.equal(refilled(empty, RULE, 250_000).tokenBytes, 250);
    assert.equal(refilled(empty, RULE, 9_000_000).tokenBytes, 500);
  });

  it('earns nothing from a clock that went back', () => {
    const bucket: Bucket = { tokenBytes: 10, atMicros: 1000 };
    assert.equal(refilled(bucket, RULE, 0), bucket);
  });

  it('never lets through more than burst + rate × time', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(400_000), fc.nat(700))), (requests) => {
        let bucket = fullBucket(RULE, 0);
        let now = 0;
        let through = 0;
        for (const [wait, bytes] of requests) {
          now += wait;
          const after = spend(bucket, RULE, now, bytes);
          if (!after) continue;
          bucket = after;
          through += bytes;
        }
        assert.ok(through <= RULE.burstBytes + (RULE.bytesPerSecond * now) / 1e6 + 1e-6);
      }),
    );
  });
});

describe('the size of a move', () => {
  const rule = { largestStep: 100, smallestStep: 10 };

  it('is capped, and is nothing where it is not worth a move', () => {
    assert.deepEqual(
      [9, 10, 70, 400].map((bytes) => stepOf(bytes, rule)),
      [0, 10, 70, 100],
    );
  });

  it('is rounded up to a worthwhile one where the source has that much', () => {
    assert.equal(takeOf(3, 50, rule), 10);
    assert.equal(takeOf(3, 9, rule), 0);
    assert.equal(takeOf(0, 50, rule), 0);
  });
});
