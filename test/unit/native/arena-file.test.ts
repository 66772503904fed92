import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { MemtideError } from '../../../src/errors.ts';
import { mkfifo, viewOf } from '../../../src/native/libc.ts';
import { mapShared } from '../../../src/native/mapping.ts';
import { Arena, createArena, openArena } from '../../../src/platforms/arena/arena-file.ts';
import { type HugeMount, mountHugeTmpfs } from '../../../src/platforms/arena/huge-mount.ts';
import { MIB } from '../../../src/units.ts';

let dir: string;
let keep: string;
let keepFd: number;
const arenas: Arena[] = [];
let mount: HugeMount | undefined;

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-arena-'));
  keep = path.join(dir, 'keep');
  assert.equal(mkfifo(keep, 0o600), 0);
  keepFd = fs.openSync(keep, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
});
afterEach(() => {
  for (const arena of arenas.splice(0)) arena.remove();
  mount?.close();
  mount = undefined;
  fs.closeSync(keepFd);
  fs.rmSync(dir, { recursive: true, force: true });
});

async function arenaOf(byteLength: number): Promise<Arena> {
  const arena = await createArena({ directory: dir, byteLength, hugePages: 'never', keep });
  arenas.push(arena);
  return arena;
}

const bytesOf = (arena: Arena): Uint8Array => new Uint8Array(viewOf(arena.mapping.address, arena.mapping.byteLength));
const takenBytes = ({ fd }: Arena): number => fs.fstatSync(fd).blocks * 512;

test('an arena takes memory when it is populated, not when it is made', async () => {
  const arena = await arenaOf(8 * MIB);
  assert.equal(takenBytes(arena), 0);
  assert.equal(arena.populate(2 * MIB, 4 * MIB), true);
  assert.equal(takenBytes(arena), 4 * MIB);
  assert.ok(
    bytesOf(arena)
      .subarray(2 * MIB, 6 * MIB)
      .every((byte) => byte === 0),
  );
});

test('punching gives memory back to the system, and what comes in its place is zeroed', async () => {
  const arena = await arenaOf(8 * MIB);
  arena.populate(0, 8 * MIB);
  const bytes = bytesOf(arena);
  bytes.fill(0xcc);
  arena.punch(2 * MIB, 2 * MIB);
  assert.equal(takenBytes(arena), 6 * MIB);
  assert.equal(arena.populate(2 * MIB, 2 * MIB), true);
  assert.ok(bytes.subarray(2 * MIB, 4 * MIB).every((byte) => byte === 0));
  assert.equal(bytes[2 * MIB - 1], 0xcc);
  assert.equal(bytes[4 * MIB], 0xcc);
});

test('scrubbing zeroes its range and no more, and keeps the memory', async () => {
  const arena = await arenaOf(4 * MIB);
  arena.populate(0, 4 * MIB);
  const bytes = bytesOf(arena);
  bytes.fill(1);
  arena.scrub(MIB, MIB);
  assert.equal(bytes.indexOf(0), MIB);
  assert.equal(bytes.lastIndexOf(0), 2 * MIB - 1);
  assert.equal(takenBytes(arena), 4 * MIB);
});

test('whoever opens the arena sees the same bytes', async () => {
  const arena = await arenaOf(2 * MIB);
  arena.populate(0, 2 * MIB);
  const other = openArena(arena.source);
  bytesOf(arena)[12_345] = 42;
  assert.equal(bytesOf(other)[12_345], 42);
  other.close();
});

test('an arena that is gone, or shorter than it says, is refused with what to do', async () => {
  const arena = await arenaOf(2 * MIB);
  assert.throws(() => openArena({ ...arena.source, path: path.join(dir, 'gone') }), MemtideError);
  assert.throws(() => openArena({ ...arena.source, byteLength: 4 * MIB }), /4194304 bytes[\s\S]*2097152 bytes/);
});

test('an arena beyond what one view can show is refused before it is made', async () => {
  await assert.rejects(createArena({ directory: dir, byteLength: 4 * 1024 * MIB, hugePages: 'never', keep }), /3 GiB/);
  assert.equal(fs.existsSync(path.join(dir, 'arena')), false);
});

test('a full tmpfs refuses, takes nothing, and leaves what there is usable', async (t) => {
  const result = await mountHugeTmpfs(8 * MIB, keep);
  if (!result.ok) return t.skip(`a tmpfs cannot be mounted here: ${result.reason}`);
  mount = result.mount;
  const file = path.join(mount.directory, 'arena');
  const fd = fs.openSync(file, 'w+', 0o600);
  fs.ftruncateSync(fd, 16 * MIB);
  const mapping = mapShared(fd, 16 * MIB, { what: 'arena' });
  const arena = new Arena({ path: file, byteLength: 16 * MIB, huge: true }, fd, mapping, undefined);
  assert.equal(arena.populate(0, 4 * MIB), true);
  assert.equal(arena.populate(4 * MIB, 12 * MIB), false, 'more than the tmpfs has');
  assert.equal(takenBytes(arena), 4 * MIB, 'what it had got on the way went back');
  assert.equal(arena.populate(4 * MIB, 4 * MIB), true);
  bytesOf(arena)
    .subarray(0, 8 * MIB)
    .fill(5);
  assert.equal(arena.populate(8 * MIB, 2 * MIB), false);
  arena.punch(0, 4 * MIB);
  assert.equal(arena.populate(8 * MIB, 4 * MIB), true, 'what was given back can be taken again');
  arena.close();
});
