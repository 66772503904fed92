import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createControlFile, openControlFile } from '../../../src/control/control-file.ts';
import {
  BACK_BELL,
  BACK_TO_FRONT,
  blockTable,
  controlBytes,
  ENTRY_WORDS,
  FRONT_BELL,
  FRONT_TO_BACK,
  IDENTITY,
  LEDGER,
  PING,
  RING_ENTRIES,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
} from '../../../src/control/layout.ts';
import { MemtideError } from '../../../src/errors.ts';

const GEOMETRY = { chunkCount: 640, chunkShift: 21, blockShift: 16 };

test('no two parts of the byte map overlap, and each hot index has a cache line of its own', () => {
  const parts: [name: string, from: number, words: number][] = [
    ['identity', 0, 16],
    ['front', 16, 16],
    ['back', 32, 16],
    ['front bell', FRONT_BELL, 16],
    ['back bell', BACK_BELL, 16],
    ['F→B head', FRONT_TO_BACK.head, 16],
    ['F→B tail', FRONT_TO_BACK.tail, 16],
    ['B→F head', BACK_TO_FRONT.head, 16],
    ['B→F tail', BACK_TO_FRONT.tail, 16],
    ['ping', PING, 16],
    ['F→B', FRONT_TO_BACK.entries, RING_ENTRIES * ENTRY_WORDS],
    ['B→F', BACK_TO_FRONT.entries, RING_ENTRIES * ENTRY_WORDS],
    ['sessions', SESSIONS, SESSION_SLOTS * SESSION_WORDS],
    ['ledger', LEDGER, GEOMETRY.chunkCount],
  ];
  for (const [index, [name, from, words]] of parts.entries()) {
    const next = parts[index + 1]?.[1] ?? blockTable(GEOMETRY) / 2;
    assert.ok(from + words <= next, `${name} ends at word ${from + words}, the next begins at ${next}`);
  }
});

test('64 KiB carry an arena of 1.25 GiB in huge pages', () => {
  assert.equal(controlBytes(GEOMETRY), 64 * 1024);
  assert.equal(GEOMETRY.chunkCount * 2 ** GEOMETRY.chunkShift, 1.25 * 1024 ** 3);
});

test('a control file that is not one is refused, with the field at fault and the mend', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-control-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'control');
  const damaged = (word: number, value: number): string => {
    createControlFile(file, GEOMETRY, 1, 99);
    const bytes = fs.readFileSync(file);
    bytes.writeInt32LE(value, word * 4);
    fs.writeFileSync(file, bytes);
    return file;
  };
  createControlFile(file, GEOMETRY, 1, 99);
  assert.deepEqual(openControlFile(file).identity, { ...GEOMETRY, domainId: 1, arenaId: 99 });
  const cases: [number, number, RegExp][] = [
    [IDENTITY.magic, 0, /magic number/],
    [IDENTITY.version, 2, /layout version 1[\s\S]*layout version 2/],
    [IDENTITY.chunkCount, -1, /chunks/],
    [IDENTITY.chunkShift, 40, /chunks of 2\^18/],
    [IDENTITY.blockShift, 12, /blocks of 2\^16/],
    [IDENTITY.sessionSlots, 1, /session slots/],
    [IDENTITY.byteLength, 4096, /a length of/],
  ];
  for (const [word, value, message] of cases) assert.throws(() => openControlFile(damaged(word, value)), message);
  createControlFile(file, GEOMETRY, 1, 99);
  fs.truncateSync(file, 8192);
  assert.throws(() => openControlFile(file), /8192 bytes/);
  fs.truncateSync(file, 100);
  assert.throws(() => openControlFile(file), /4096 bytes/);
  assert.throws(() => openControlFile(path.join(folder, 'none')), MemtideError);
});
