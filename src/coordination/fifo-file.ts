import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { errnoName, mkfifo } from '../native/libc.ts';

/** Makes a named pipe that only this user may open; one that is there already is kept. */
export function makeFifo(path: string): void {
  if (fs.existsSync(path) && fs.statSync(path).isFIFO()) return;
  fs.rmSync(path, { force: true });
  if (mkfifo(path, 0o600) !== 0) {
    throw new MemtideError({ operation: 'make a named pipe', object: path, actual: errnoName() });
  }
}
