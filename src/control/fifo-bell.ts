import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { ERRNO, errno, errnoName, POLLIN, poll, read, write } from '../native/libc.ts';
import { mapPrivate, wordsOf } from '../native/mapping.ts';
import type { DoorbellRinger, DoorbellWaiter } from './contracts.ts';
import { MAX_WAIT_MILLIS } from './futex-bell.ts';
import { BELL_PENDING_WORDS } from './layout.ts';

/**
 * A doorbell on a named pipe: one byte a ring, and the byte is the source. Two to three times slower than the futex, but
 * it needs no shared word, shows in `strace`, and an event loop can wait on it.
 *
 * Both ends open the pipe for reading and writing (Linux allows it), so that it never reports end-of-file when the
 * other side restarts. A full pipe means that the waiter has thousands of rings to read already: the ring is counted as
 * delivered.
 */
const PIPE_BYTES = 65_536; // pipe(7): the default capacity
const O_RDWR_NONBLOCK = fs.constants.O_RDWR | fs.constants.O_NONBLOCK;

export function openFifo(path: string): number {
  try {
    const fd = fs.openSync(path, O_RDWR_NONBLOCK);
    if (fs.fstatSync(fd).isFIFO()) return fd;
    fs.closeSync(fd);
  } catch (cause) {
    throw new MemtideError({ operation: 'open the doorbell', object: path, expected: 'a named pipe', cause });
  }
  throw new MemtideError({ operation: 'open the doorbell', object: path, expected: 'a named pipe', actual: 'a file' });
}

export class FifoRinger implements DoorbellRinger {
  readonly #fd: number;
  readonly #page = mapPrivate(4096, { what: 'doorbell page' });
  readonly #bytes: Uint8Array;

  constructor(path: string) {
    this.#fd = openFifo(path);
    this.#bytes = new Uint8Array(wordsOf(this.#page).buffer);
  }

  ring(source: number): void {
    this.#bytes[0] = source;
    if (write(this.#fd, this.#page.address, 1) === 1) return;
    const code = errno();
    if (code === ERRNO.EAGAIN) return;
    throw new MemtideError({ operation: 'ring the doorbell', actual: errnoName(code) });
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

export class FifoWaiter implements DoorbellWaiter {
  readonly pending = new Int32Array(BELL_PENDING_WORDS);
  /** For whoever waits for more than this pipe. */
  readonly fd: number;
  readonly #page = mapPrivate(4096, { what: 'doorbell page' });
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(path: string) {
    this.fd = openFifo(path);
    this.#words = wordsOf(this.#page);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  wait(timeoutMillis: number): boolean {
    if (this.#drain() || this.#any()) return true;
    if (timeoutMillis <= 0) return false;
    // struct pollfd: int fd, short events, short revents; kept behind the bytes that are read
    this.#words[256] = this.fd;
    this.#words[257] = POLLIN;
    poll(this.#page.address + 1024, 1, Math.min(timeoutMillis, MAX_WAIT_MILLIS));
    return this.#drain();
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  #drain(): boolean {
    let seen = false;
    // Not more than a pipe holds at once: who rings without end must not keep the waiter here.
    for (let reads = 0; reads < PIPE_BYTES / 512; reads++) {
      const count = read(this.fd, this.#page.address, 512);
      for (let at = 0; at < count; at++) {
        const source = this.#bytes[at] as number;
        const word = source >>> 5;
        this.pending[word] = (this.pending[word] as number) | (1 << (source & 31));
        seen = true;
      }
      if (count < 512) break;
    }
    return seen;
  }

  #any(): boolean {
    for (let word = 0; word < BELL_PENDING_WORDS; word++) if (this.pending[word] !== 0) return true;
    return false;
  }
}
