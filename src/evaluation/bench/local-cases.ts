import { MemtideError } from '../../errors.ts';
import {
  errnoName,
  free,
  M_MMAP_THRESHOLD,
  M_TOP_PAD,
  M_TRIM_THRESHOLD,
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_POPULATE,
  MAP_PRIVATE,
  madvise,
  malloc,
  mallocTrim,
  mallopt,
  memset,
  mmap,
  munmap,
  PROT_READ_WRITE,
} from '../../native/libc.ts';
import { formatBytes, KIB, MIB, roundUp } from '../../units.ts';
import { microsSince, type TimedCase } from './timed-case.ts';

/** What a process can do without memtide, each time with memory that it does not hold: from the kernel, from malloc. */
const HUGE = 2 * MIB;
/** Requests of this size and above get a mapping of their own, so every size of the bench is fresh. */
const FRESH_THRESHOLD = 32 * KIB;
/** The largest threshold that glibc accepts on 64-bit machines; above it, nothing is ever reused. */
const WARM_THRESHOLD = 32 * MIB;
const DEFAULT_TRIM = 128 * KIB;

/** malloc and touch of fresh pages, mmap threshold fixed. */
export const localFresh: TimedCase = {
  name: 'local-fresh',
  fits: () => true,
  prepare: () => {
    mallopt(M_MMAP_THRESHOLD, FRESH_THRESHOLD);
    mallopt(M_TOP_PAD, 0); // no slack at the top of the heap for a small request to fit in
    mallocTrim(0);
  },
  sample(bytes) {
    const before = performance.now();
    const at = allocate(bytes);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    free(at);
    return micros;
  },
};

/** mmap with MAP_POPULATE, then touch: the faults are taken in one system call. */
export const localPopulate: TimedCase = {
  name: 'local-populate',
  fits: () => true,
  sample(bytes) {
    const before = performance.now();
    const at = map(bytes, MAP_POPULATE);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    munmap(at, bytes);
    return micros;
  },
};

/** Fresh transparent huge pages, asked for with madvise. */
export const localHuge: TimedCase = {
  name: 'local-huge',
  fits: (bytes) => bytes >= HUGE,
  sample(bytes) {
    const before = performance.now();
    const at = map(bytes + HUGE);
    const aligned = roundUp(at, HUGE);
    madvise(aligned, bytes, MADV_HUGEPAGE);
    memset(aligned, 1, bytes);
    const micros = microsSince(before);
    munmap(at, bytes + HUGE);
    return micros;
  },
};

/** malloc and touch of memory that was freed a moment ago. Above 32 MiB glibc keeps nothing: it is fresh again. */
export const localWarm: TimedCase = {
  name: 'local-warm',
  cache: 'hot',
  fits: () => true,
  prepare(bytes) {
    keepFreed();
    const at = allocate(bytes);
    memset(at, 1, bytes);
    free(at);
  },
  sample(bytes) {
    const before = performance.now();
    const at = allocate(bytes);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    free(at);
    return micros;
  },
  finish: forgetFreed,
};

/**
 * The same with memory that has left the caches: of a ring of blocks, the one that was written to longest ago is freed,
 * and is then the only one of its size that malloc can reuse.
 * @param coldBytes the least that the ring holds.
 */
export function localWarmCold(coldBytes: number): TimedCase {
  const ring: number[] = [];
  let at = 0;
  return {
    name: 'local-warm',
    cache: 'cold',
    fits: (bytes) => bytes < WARM_THRESHOLD,
    prepare(bytes) {
      keepFreed();
      for (const blocks = Math.ceil(coldBytes / bytes) + 1; ring.length < blocks; ) {
        const block = allocate(bytes);
        memset(block, 1, bytes);
        ring.push(block);
      }
      free(ring.shift()!);
    },
    sample(bytes) {
      const before = performance.now();
      at = allocate(bytes);
      memset(at, 1, bytes);
      return microsSince(before);
    },
    finish() {
      ring.push(at);
      forgetFreed();
    },
    end() {
      for (const block of ring.splice(0)) free(block);
      forgetFreed();
    },
  };
}

function keepFreed(): void {
  mallopt(M_MMAP_THRESHOLD, WARM_THRESHOLD);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

/** Or local-fresh would be given warm pages. */
function forgetFreed(): void {
  mallopt(M_TRIM_THRESHOLD, DEFAULT_TRIM);
  mallocTrim(0);
}

function allocate(bytes: number): number {
  const at = malloc(bytes);
  if (at === 0) throw noMemory(bytes);
  return at;
}

function map(bytes: number, more = 0): number {
  const at = mmap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0);
  if (at === -1) throw noMemory(bytes);
  return at;
}

const noMemory = (bytes: number): MemtideError =>
  new MemtideError({
    operation: 'run the bench',
    object: `${formatBytes(bytes)} of local memory`,
    actual: errnoName(),
    remedy: 'end other programs, or raise the limit that this one runs under',
  });
