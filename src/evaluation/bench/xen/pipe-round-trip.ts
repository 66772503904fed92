/** A byte to another process of this guest through a pipe, and back: what waking somebody costs here. `cat` is the other one. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { makeFifo } from '../../../coordination/fifo-file.ts';
import { MemtideError } from '../../../errors.ts';

export interface PipeRoundTrip {
  /** @returns how long each of `count` took, in microseconds. */
  take(count: number): number[];
  close(): void;
}

export function openPipeRoundTrip(): PipeRoundTrip {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-pipe-'));
  const open = (name: string): number => {
    makeFifo(path.join(folder, name));
    return fs.openSync(path.join(folder, name), 'r+'); // both ends: who opens one only waits for the other
  };
  const there = open('there');
  const back = open('back');
  fs.rmSync(folder, { recursive: true });
  const other = spawn('cat', { stdio: [there, back, 'ignore'] });
  other.on('error', () => {}); // told here:
  if (other.pid === undefined) throw new MemtideError({ operation: 'start the other end of a pipe', object: 'cat' });
  const byte = Buffer.alloc(1);
  const once = (): number => {
    const before = performance.now();
    fs.writeSync(there, byte);
    fs.readSync(back, byte);
    return (performance.now() - before) * 1000;
  };
  return {
    take: (count) => Array.from({ length: count }, once),
    close() {
      other.kill();
      fs.closeSync(there);
      fs.closeSync(back);
    },
  };
}
