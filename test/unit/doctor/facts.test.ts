import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenWord, parseSwaps } from '../../../src/doctor/memory-facts.ts';
import { hasCapability, parseLimit } from '../../../src/doctor/rights-facts.ts';
import { pageSizeIn } from '../../../src/native/page-size.ts';
import { isDirectMapped } from '../../../src/xen/features.ts';
import { auxiliaryVector } from './machines.ts';

test('the page size is the AT_PAGESZ of the auxiliary vector', () => {
  for (const bytes of [4096, 16384, 65536]) assert.equal(pageSizeIn(auxiliaryVector(bytes)), bytes);
  assert.equal(pageSizeIn(Buffer.alloc(16)), undefined, 'AT_NULL ends it');
  assert.equal(pageSizeIn(Buffer.alloc(7)), undefined, 'cut short');
  assert.equal(pageSizeIn(undefined), undefined);
});

test('the page size of this machine is the one its own C library knows', async (t) => {
  const { readFileSync } = await import('node:fs');
  const { execFileSync } = await import('node:child_process');
  let known: string;
  try {
    known = execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' });
  } catch {
    return t.skip('getconf is not installed');
  }
  assert.equal(pageSizeIn(readFileSync('/proc/self/auxv')), Number(known));
});

test('of a list of modes the one in brackets is chosen', () => {
  assert.equal(chosenWord('always [madvise] never'), 'madvise');
  assert.equal(chosenWord('garbage'), undefined);
  assert.equal(chosenWord(undefined), undefined);
});

test('swap is the sum of its devices, and none is 0 only where the kernel has swap at all', () => {
  const heading = 'Filename Type Size Used Priority';
  assert.deepEqual(parseSwaps(`${heading}\n/dev/zram0 partition 1024 0 100\n/swap file 2048 0 -2`), [
    { device: '/dev/zram0', bytes: 1048576 },
    { device: '/swap', bytes: 2097152 },
  ]);
  assert.deepEqual(parseSwaps(heading), []);
  assert.equal(parseSwaps(undefined), undefined);
});

test('limits are read with both columns, unlimited as infinity', () => {
  const text =
    'Max data size             unlimited            unlimited            bytes     \nMax nice priority         0                    40                    ';
  assert.deepEqual(parseLimit(text, 'Max data size'), { soft: Infinity, hard: Infinity });
  assert.deepEqual(parseLimit(text, 'Max nice priority'), { soft: 0, hard: 40 });
  assert.equal(parseLimit(text, 'Max stack size'), undefined);
});

test('capabilities are bits of the effective set', () => {
  const rights = {
    uid: 0,
    dataBytes: undefined,
    lockedBytes: undefined,
    nice: undefined,
    realtimePriority: undefined,
    sessionGroups: false,
  };
  // All of them but CAP_SYS_RESOURCE, bit 24.
  const most = { ...rights, capabilities: 0x1fffeffffffn };
  assert.ok(hasCapability(most, 'SYS_NICE'));
  assert.ok(!hasCapability(most, 'SYS_RESOURCE'));
  assert.ok(!hasCapability({ ...rights, capabilities: undefined }, 'SYS_NICE'));
});

test('direct mapping is told by bits 16 and 17, and unknown where an old Xen sets neither', () => {
  assert.equal(isDirectMapped('00020000'), true);
  assert.equal(isDirectMapped('00010000'), false);
  assert.equal(isDirectMapped('00002825'), undefined);
  assert.equal(isDirectMapped(undefined), undefined);
  assert.equal(isDirectMapped('nonsense'), undefined);
});
