import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BenchRow } from '../../../src/evaluation/bench/result.ts';
import { warningsOf } from '../../../src/evaluation/bench/warnings.ts';
import { KIB, MIB } from '../../../src/units.ts';

const machine = { page_bytes: 4096, huge_page_bytes: 2 * MIB, thp: 'madvise', load_1min: 0.2, cores: 4 };
const row = (name: string, bytes: number, faults: number): BenchRow => ({
  ...{ case: name, bytes, n: 9, p50_us: 1, max_us: 2 },
  ...{ faults_p50: faults, faults_min: faults },
});
const warnings = (rows: BenchRow[], more: object = {}): string[] =>
  warningsOf(rows, { ...machine, ...more }, { huge: true, hugeReason: undefined });

test('fresh memory takes a fault for each page', () => {
  assert.deepEqual(warnings([row('local-fresh', 4 * MIB, 1025)]), []);
  assert.match(warnings([row('local-fresh', 4 * MIB, 900)]).join(), /^local-fresh, 4 MiB: 900 page faults .*not all/);
});

test('where huge pages are given unasked, fresh memory takes a fault for each of them', () => {
  assert.deepEqual(warnings([row('local-fresh', 4 * MIB, 3)], { thp: 'always' }), []);
  assert.equal(warnings([row('local-fresh', 4 * MIB, 1)], { thp: 'always' }).length, 1);
  assert.equal(warnings([row('local-fresh', 64 * KIB, 3)], { thp: 'always' }).length, 1);
});

test('huge memory that came in base pages is called so', () => {
  assert.deepEqual(warnings([row('local-huge', 4 * MIB, 2)]), []);
  assert.match(warnings([row('local-huge', 4 * MIB, 1024)]).join(), /no huge pages/);
});

test('a lease that takes page faults was not mapped beforehand', () => {
  assert.deepEqual(warnings([row('tier1', 4 * MIB, 1)]), []);
  assert.match(warnings([row('tier1', 4 * MIB, 1024)]).join(), /not mapped/);
});

test('a busy machine and an arena of base pages are told', () => {
  assert.match(warnings([], { load_1min: 3 }).join(), /busy/);
  assert.match(warningsOf([], machine, { huge: false, hugeReason: 'no rights' }).join(), /base pages: no rights/);
});
