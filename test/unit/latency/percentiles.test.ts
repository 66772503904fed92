import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { medianInterval, percentile, summarize } from '../../../src/latency/percentiles.ts';

const samples = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 3000 });
const upTo = (n: number): number[] => Array.from({ length: n }, (_, at) => at + 1);

test('a percentile is one of the values, and its share of them is not above it', () => {
  fc.assert(
    fc.property(samples, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
      const value = percentile(values, share)!;
      assert.ok(values.includes(value));
      assert.ok(values.filter((each) => each <= value).length >= Math.floor(share * values.length));
    }),
  );
});

test('p99 needs a thousand samples', () => {
  assert.deepEqual(summarize(upTo(1000)), { n: 1000, p50: 500, p99: 990, max: 1000 });
  assert.equal(summarize(upTo(999))?.p99, undefined);
  assert.equal(summarize([]), undefined);
});

test('the interval of the median holds the median, and is made of samples', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const [low, high] = medianInterval(values)!;
      const median = percentile(values, 0.5)!;
      assert.ok(low <= median && median <= high);
      assert.ok(values.includes(low) && values.includes(high));
    }),
  );
});

test('the interval of the median has the ranks of the sign test, or the next wider ones', () => {
  // Ranks from the binomial distribution: n = 20: 6 and 15; n = 50: 18 and 33; n = 100: 40 and 61.
  assert.deepEqual(medianInterval(upTo(20)), [5, 16]);
  assert.deepEqual(medianInterval(upTo(50)), [18, 33]);
  assert.deepEqual(medianInterval(upTo(100)), [40, 61]);
  assert.deepEqual(medianInterval(upTo(5)), [1, 5]);
  assert.equal(medianInterval([]), undefined);
});
