import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { viewOf } from '../../../src/native/libc.ts';
import { mapPrivate, replaceWithPrivate, wordsOf } from '../../../src/native/mapping.ts';
import { scratchWords } from '../../../src/native/scratch.ts';
import { ioc, openDevice } from '../../../src/xen/device.ts';
import { readLong, writeLong } from '../../../src/xen/unmap-notice.ts';

test('request codes are those of the kernel’s headers', () => {
  // include/uapi/xen/evtchn.h, gntalloc.h, gntdev.h, as the C compiler gives them
  assert.equal(ioc('E', 1, 8), 0x84501);
  assert.equal(ioc('E', 5, 0), 0x4505);
  assert.equal(ioc('G', 5, 24), 0x184705);
});

test('outside Xen the error says which module to load', { skip: fs.existsSync('/dev/xen/evtchn') }, () => {
  assert.throws(() => openDevice('evtchn'), /\/dev\/xen\/evtchn[\s\S]*modprobe xen-evtchn/);
});

test('64-bit integers pass whole, beyond 2^31 and 2^32 too', () => {
  for (const value of [0, 5, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 4096]) {
    writeLong(0, value);
    assert.equal(readLong(scratchWords, 0), value);
  }
});

test('views outlive a mapping that was replaced, and read as zeroes', () => {
  const mapping = mapPrivate(8192, { what: 'test' });
  const words = wordsOf(mapping).fill(7);
  const bytes = new Uint8Array(viewOf(mapping.address, 8192));
  replaceWithPrivate(mapping, 'test');
  assert.ok(words.every((word) => word === 0));
  words[0] = 258;
  assert.deepEqual([...bytes.subarray(0, 2)], [2, 1]);
});
