import { MemtideError } from '../errors.ts';
import { ERRNO, errno, errnoName, fcntlLock } from './libc.ts';
import { scratchAddress, scratchWords } from './scratch.ts';

/**
 * Open-file-description locks on one byte of a file (fcntl(2), F_OFD_*). The kernel drops such a lock when the last
 * descriptor of its holder closes, however the holder ends: a byte that can be locked is proof that its holder is gone.
 * A stopped process keeps its lock, as it must.
 */
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;

// struct flock on 64-bit Linux: short type, short whence, pad, i64 start, i64 len, i32 pid
function request(type: number, byte: number): void {
  scratchWords.fill(0, 0, 8);
  scratchWords[0] = type;
  scratchWords[2] = byte;
  scratchWords[4] = 1;
}

/** @returns false when another description holds the byte. */
export function tryLockByte(fd: number, byte: number): boolean {
  request(F_WRLCK, byte);
  if (fcntlLock(fd, F_OFD_SETLK, scratchAddress) === 0) return true;
  const code = errno();
  if (code === ERRNO.EAGAIN || code === ERRNO.EACCES) return false;
  throw new MemtideError({ operation: 'lock a byte', object: `byte ${byte}`, actual: errnoName(code) });
}

export function unlockByte(fd: number, byte: number): void {
  request(F_UNLCK, byte);
  fcntlLock(fd, F_OFD_SETLK, scratchAddress);
}

/** Whether some other description holds the byte. Takes nothing. */
export function isByteLocked(fd: number, byte: number): boolean {
  request(F_WRLCK, byte);
  if (fcntlLock(fd, F_OFD_GETLK, scratchAddress) !== 0) {
    throw new MemtideError({ operation: 'test a byte lock', object: `byte ${byte}`, actual: errnoName() });
  }
  return ((scratchWords[0] as number) & 0xffff) !== F_UNLCK;
}
