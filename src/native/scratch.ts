import { CLOCK_THREAD_CPUTIME_ID, clockGettime, viewOf } from './libc.ts';
import { mapPrivate } from './mapping.ts';

/**
 * One page of memory with a known address, private to this thread, for the small structures that system calls take.
 * Allocated once: the fast plane makes system calls without allocating.
 */
const page = mapPrivate(4096, { what: 'scratch page' });
const longs = new Float64Array(viewOf(page.address, 4096));
const words = new Int32Array(longs.buffer);

const TIMESPEC_WORD = 0; // 16 bytes: two 64-bit integers, little-endian
const CPU_TIMESPEC_WORD = 4;
const FREE_WORD = 16;

/**
 * Writes a relative timeout as a struct timespec.
 * @returns its address; valid until the next call on this thread.
 */
export function timespecOf(timeoutMillis: number): number {
  const seconds = Math.floor(timeoutMillis / 1000);
  words[TIMESPEC_WORD] = seconds;
  words[TIMESPEC_WORD + 1] = 0;
  words[TIMESPEC_WORD + 2] = Math.round((timeoutMillis - seconds * 1000) * 1e6);
  words[TIMESPEC_WORD + 3] = 0;
  return page.address + TIMESPEC_WORD * 4;
}

/** CPU time that this thread has used, in microseconds. */
export function threadCpuMicros(): number {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, page.address + CPU_TIMESPEC_WORD * 4);
  const seconds = words[CPU_TIMESPEC_WORD] as number;
  const nanos = words[CPU_TIMESPEC_WORD + 2] as number;
  return seconds * 1e6 + nanos / 1000;
}

/** The rest of the page, for callers that lay out a structure of their own before one system call. */
export const scratchWords: Int32Array = words.subarray(FREE_WORD);
export const scratchAddress: number = page.address + FREE_WORD * 4;
