import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeSwapBytes } from '../../../../src/evaluation/bench/pressure/swap.ts';

const HEAD = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';

test('free swap is what all areas have left', () => {
  const areas = [
    '/dev/zram0                              partition\t2097136\t\t1024\t\t100',
    '/var/swap                               file\t\t102396\t\t0\t\t-2',
  ];
  assert.equal(freeSwapBytes(`${HEAD}${areas.join('\n')}\n`), (2097136 - 1024 + 102396) * 1024);
});

test('a machine without swap has none', () => {
  assert.equal(freeSwapBytes(HEAD), 0);
});
