import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BENCH_SIZES, CHUNK_BYTES, planBench, roundsFor } from '../../../src/evaluation/bench/plan.ts';
import { SAMPLES_FOR_P99 } from '../../../src/latency/percentiles.ts';
import { GIB, KIB, MIB } from '../../../src/units.ts';

const server = { sizes: BENCH_SIZES, memoryBytes: 6 * GIB, lastLevelCacheBytes: 32 * MIB, tmpfsBytes: 8 * GIB };

test('where there is memory enough, every size is measured', () => {
  const plan = planBench(server);
  assert.deepEqual(plan.sizes, BENCH_SIZES);
  assert.deepEqual(plan.smallSizes, BENCH_SIZES);
  assert.deepEqual([...plan.leftOut, ...plan.warnings], []);
  assert.equal(plan.arenaBytes, 512 * MIB);
  assert.equal(plan.coldBytes, 128 * MIB);
});

test('a size that does not fit is left out and named, with what it needs', () => {
  // A Raspberry Pi 4 with 2 GiB, of which a quarter of 1.6 GiB is allowed.
  const plan = planBench({ ...server, memoryBytes: 400 * MIB, lastLevelCacheBytes: MIB });
  assert.deepEqual(plan.sizes, [64 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB]);
  assert.deepEqual(plan.leftOut, [
    { case: 'all', bytes: 256 * MIB, reason: 'needs 1.3 GiB, of which the bench may hold 400 MiB' },
  ]);
});

test('a small tmpfs takes the large sizes from tier2-4k alone', () => {
  const plan = planBench({ ...server, tmpfsBytes: 64 * MIB });
  assert.deepEqual(plan.sizes, BENCH_SIZES);
  assert.deepEqual(
    plan.leftOut.map((each) => [each.case, each.bytes]),
    [['tier2-4k', 256 * MIB]],
  );
});

test('cold cases that cannot outrun the caches are called so', () => {
  const plan = planBench({ ...server, memoryBytes: 512 * MIB, lastLevelCacheBytes: 64 * MIB });
  assert.match(plan.warnings.join(), /not quite cold/);
  assert.ok(plan.sizes.length > 0);
});

test('no plan holds more than it may, and every size is measured or left out', () => {
  const mebibytes = (from: number, to: number) => fc.integer({ min: from, max: to }).map((count) => count * MIB);
  fc.assert(
    fc.property(mebibytes(1, 8192), mebibytes(1, 128), mebibytes(0, 4096), (memoryBytes, cacheBytes, tmpfsBytes) => {
      const plan = planBench({ sizes: BENCH_SIZES, memoryBytes, lastLevelCacheBytes: cacheBytes, tmpfsBytes });
      const left = plan.leftOut.filter((each) => each.case === 'all').map((each) => each.bytes);
      assert.deepEqual([...plan.sizes, ...left], [...BENCH_SIZES]);
      const largest = plan.sizes.at(-1);
      if (largest === undefined) return;
      const held = plan.arenaBytes + plan.regionBytes + plan.coldBytes + plan.evictBytes + largest;
      assert.ok(held <= memoryBytes, `${held} of ${memoryBytes}`);
      assert.ok(largest <= plan.arenaBytes && largest <= plan.regionBytes);
      assert.ok(plan.smallArenaBytes <= tmpfsBytes && plan.arenaBytes % CHUNK_BYTES === 0);
    }),
  );
});

test('a full run has enough samples of the sizes up to 4 MiB for p99', () => {
  for (const size of BENCH_SIZES.filter((each) => each <= 4 * MIB)) {
    assert.ok(roundsFor(size, false).all >= SAMPLES_FOR_P99);
  }
});
