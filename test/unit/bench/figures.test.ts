import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Figure, figuresOf, verdictOf } from '../../../src/evaluation/bench/figures.ts';
import type { BenchResult, Cache } from '../../../src/evaluation/bench/result.ts';
import { MIB } from '../../../src/units.ts';
import { goldenResult } from './golden.ts';

/** The golden result with the p50 of one row changed. */
function withRow(name: string, bytes: number, p50_us: number, cache?: Cache): BenchResult {
  const result = goldenResult();
  const row = result.rows.find((one) => one.case === name && one.bytes === bytes && one.cache === cache);
  assert.ok(row, `${name} ${bytes}`);
  row.p50_us = p50_us;
  return result;
}

function figure(result: BenchResult, start: string): Figure {
  const found = figuresOf(result).find(({ name }) => name.startsWith(start));
  assert.ok(found, start);
  return found;
}

test('the worst size counts', () => {
  const worst = figure(withRow('tier1', 16 * MIB, 1e6, 'cold'), 'tier1 ÷ local-fresh');
  assert.equal(worst.where, '16 MiB');
  assert.equal(verdictOf(worst), 'missed');
});

test('the best local way is the fastest of the cold ones', () => {
  const before = figure(goldenResult(), 'tier1 ÷ best local way').measured!;
  const faster = withRow('local-warm', 4 * MIB, 1, 'cold');
  assert.ok(figure(faster, 'tier1 ÷ best local way').measured! > before);
  const hot = withRow('local-pool', 4 * MIB, 0.001, 'hot');
  assert.equal(figure(hot, 'tier1 ÷ best local way').measured, before, 'hot memory is no peer of cold memory');
});

test('background CPU is that of leases of the same size', () => {
  const result = goldenResult();
  for (const each of result.background.by_size) each.cpu_us_per_mib = each.bytes === 64 * MIB ? 1e6 : 0;
  const { measured, where } = figure(result, '(tier1 + background CPU)');
  const p50 = (name: string, cache?: Cache): number =>
    result.rows.find((row) => row.case === name && row.bytes === 64 * MIB && row.cache === cache)!.p50_us;
  assert.equal(where, '64 MiB');
  assert.equal(measured, (p50('tier1', 'cold') + 64 * 1e6) / p50('local-fresh'));
});

test('a bound within the noise is neither met nor missed', () => {
  const of = (measured: number, interval?: readonly [number, number]): Figure => ({
    ...{ name: 'x', unit: 'µs', atLeast: 20, aim: 2, measured },
    ...(interval && { interval }),
  });
  assert.equal(verdictOf(of(2)), 'aim');
  assert.equal(verdictOf(of(1, [0, 3])), 'met');
  assert.equal(verdictOf(of(50, [10, 90])), 'unclear');
  assert.equal(verdictOf(of(50, [21, 90])), 'missed');
  assert.equal(verdictOf(of(20.1)), 'missed');
});

test('the control widens what is known of a gap, and no larger gap hides one that is certain', () => {
  const result = goldenResult();
  const gap = { cache: 'cold' as const, n: 99 };
  result.tier1_minus_touch_us = [
    { ...gap, bytes: 64 * MIB, p50_us: 40, low_us: 35, high_us: 45, control_us: 1 },
    { ...gap, bytes: 256 * MIB, p50_us: 90, low_us: 60, high_us: 120, control_us: -80 },
  ];
  const worst = figure(result, 'tier1 − touch-only, 16');
  assert.equal(worst.where, '64 MiB cold');
  assert.equal(verdictOf(worst), 'missed');
  result.tier1_minus_touch_us.shift();
  assert.deepEqual(figure(result, 'tier1 − touch-only, 16').interval, [-20, 200]);
});

test('nothing is claimed of what was not measured', () => {
  const { agent: _, ...rest } = goldenResult();
  const figures = figuresOf({ ...rest, rows: [], tier1_minus_touch_us: [] });
  const claimed = figures.filter((one) => verdictOf(one) !== 'not measured').map(({ name }) => name);
  assert.deepEqual(claimed, ['handshake ÷ bare futex ping-pong']);
});
