import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../../../src/coordination/collect-garbage.ts';
import { MIB } from '../../../src/units.ts';

test('what a start has used up goes back to the system, not to V8 for later', async () => {
  const before = getHeapStatistics().total_physical_size;
  let used: number[][] | undefined = Array.from({ length: 512 }, () => new Array<number>(8192).fill(0.5));
  const full = getHeapStatistics().total_physical_size;
  assert.ok(full > before + 24 * MIB, `${used.length} rows of 64 KiB take memory`);
  used = undefined;
  await collectGarbage();
  assert.ok(getHeapStatistics().total_physical_size < before + 4 * MIB);
});
