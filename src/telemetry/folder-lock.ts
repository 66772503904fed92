/** A folder for one process at a time. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { tryLockByte } from '../native/ofd-lock.ts';

/**
 * @returns the descriptor that holds the lock, to be closed at the end: the kernel lets go when its process ends. `undefined`
 * where another process has it. @throws what opening a file there throws.
 */
export function lockFolder(folder: string): number | undefined {
  const fd = openSync(join(folder, 'lock'), 'a+', 0o640);
  if (tryLockByte(fd, 0)) return fd;
  closeSync(fd);
  return undefined;
}
