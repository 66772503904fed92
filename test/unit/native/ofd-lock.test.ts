import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isByteLocked, tryLockByte, unlockByte } from '../../../src/native/ofd-lock.ts';

const HOLDER = fileURLToPath(new URL('./lock-holder.js', import.meta.url));
let dir: string;
let file: string;
let fd: number;
const children: ChildProcess[] = [];

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-lock-'));
  file = path.join(dir, 'locks');
  fd = fs.openSync(file, 'a+');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  fs.closeSync(fd);
  fs.rmSync(dir, { recursive: true, force: true });
});

async function holder(byte: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [HOLDER, file, String(byte)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(readline.createInterface({ input: child.stdout! }), 'line');
  assert.equal(line, 'locked');
  return child;
}

test('a byte has one holder among all descriptions of the file, of one process too', () => {
  const other = fs.openSync(file, 'r+');
  assert.equal(tryLockByte(fd, 5), true);
  assert.equal(tryLockByte(fd, 5), true, 'the holder may ask again');
  assert.equal(tryLockByte(other, 5), false);
  assert.equal(isByteLocked(other, 5), true);
  assert.equal(isByteLocked(fd, 5), false, 'its own lock is in nobody’s way');
  assert.equal(tryLockByte(other, 6), true, 'the next byte is another lock');
  unlockByte(fd, 5);
  assert.equal(isByteLocked(other, 5), false);
  assert.equal(tryLockByte(other, 5), true);
  fs.closeSync(other);
  assert.equal(isByteLocked(fd, 5), false, 'closing gives it up');
});

test('asking whether a byte is held takes nothing', () => {
  const other = fs.openSync(file, 'r+');
  assert.equal(isByteLocked(fd, 9), false);
  assert.equal(tryLockByte(other, 9), true);
  fs.closeSync(other);
});

test('a process that is killed loses its lock', async () => {
  const child = await holder(3);
  assert.equal(isByteLocked(fd, 3), true);
  assert.equal(tryLockByte(fd, 3), false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(isByteLocked(fd, 3), false);
  assert.equal(tryLockByte(fd, 3), true);
});

test('a process that is stopped keeps its lock: it may wake up again', async () => {
  const child = await holder(3);
  child.kill('SIGSTOP');
  await untilStopped(child.pid!);
  assert.equal(isByteLocked(fd, 3), true);
  assert.equal(tryLockByte(fd, 3), false);
  child.kill('SIGCONT');
});

/** State `T` in /proc/PID/stat: the third field, after the name in parentheses. */
async function untilStopped(pid: number): Promise<void> {
  while (fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]![0] !== 'T') {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
