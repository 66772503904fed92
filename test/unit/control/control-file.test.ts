import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createControlFile, openControlFile } from '../../../src/control/control-file.ts';
import { controlBytes, IDENTITY } from '../../../src/control/layout.ts';
import { MemtideError } from '../../../src/errors.ts';

const GEOMETRY = { chunkCount: 8, chunkShift: 21, blockShift: 16 };
let dir: string;
before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-control-'));
});
after(() => fs.rmSync(dir, { recursive: true, force: true }));

/** A good file with one word of its identity changed. */
function fileWith(field: keyof typeof IDENTITY, value: number): string {
  const file = path.join(dir, field);
  createControlFile(file, GEOMETRY, 3, 77);
  const content = fs.readFileSync(file);
  content.writeInt32LE(value, IDENTITY[field] * 4);
  fs.writeFileSync(file, content);
  return file;
}

function assertRefused(file: string, expected: RegExp): void {
  assert.throws(
    () => openControlFile(file),
    (error) => {
      assert.ok(error instanceof MemtideError, String(error));
      assert.match(error.message, expected);
      assert.equal(error.detail.object, file);
      assert.ok(error.detail.remedy, 'names the mend');
      return true;
    },
  );
}

test('what was created is what is opened, and both sides see the same bytes', () => {
  const file = path.join(dir, 'good');
  createControlFile(file, GEOMETRY, 3, 77);
  const [one, other] = [openControlFile(file), openControlFile(file)];
  assert.deepEqual(one.identity, { ...GEOMETRY, domainId: 3, arenaId: 77 });
  Atomics.store(one.file.words, 5000, -7);
  assert.equal(Atomics.load(other.file.words, 5000), -7);
  assert.equal(other.file.halfwords[10_000], 0xfff9);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
});

test('a file that is not a control file is refused, with the field at fault', () => {
  assertRefused(fileWith('magic', 0x1234), /magic number 0x44544d01[\s\S]*0x1234/);
  assertRefused(fileWith('version', 2), /layout version 1[\s\S]*layout version 2/);
  assertRefused(fileWith('sessionSlots', 64), /128 session slots/);
  assertRefused(fileWith('byteLength', 1), /a length of/);
});

test('a geometry that would lead outside the file is refused', () => {
  for (const value of [0, -1, 16_385, 2 ** 31 - 1]) assertRefused(fileWith('chunkCount', value), /1 to 16384 chunks/);
  for (const value of [0, 17, 24, 31, -3]) assertRefused(fileWith('chunkShift', value), /chunks of 2\^18 to 2\^23/);
  assertRefused(fileWith('blockShift', 12), /blocks of 2\^16/);
  assertRefused(fileWith('chunkCount', 9000), /a length of/);
});

test('a file that is shorter than its own word is refused before it is touched', () => {
  const file = path.join(dir, 'short');
  createControlFile(file, GEOMETRY, 3, 77);
  fs.truncateSync(file, controlBytes(GEOMETRY) - 4096);
  assertRefused(file, new RegExp(`${controlBytes(GEOMETRY)} bytes`));
});

test('a torn file is refused, whatever its length', () => {
  const file = path.join(dir, 'torn');
  createControlFile(file, GEOMETRY, 3, 77);
  for (const length of [4097, 4095, 100, 0]) {
    fs.truncateSync(file, length);
    assertRefused(file, /whole pages of 4096 bytes/);
  }
});

test('a missing file says who makes it', () => {
  assertRefused(path.join(dir, 'nothing'), /start the back end first/);
});
