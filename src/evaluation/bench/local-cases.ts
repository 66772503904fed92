import {
  free,
  M_MMAP_THRESHOLD,
  M_TOP_PAD,
  M_TRIM_THRESHOLD,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
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
import { KIB, MIB, roundUp } from '../../units.ts';

/**
 * What a process can do without memtide. Each case times one allocation of `bytes` up to the last byte written, and
 * tidies up outside the timed part.
 */
export interface TimedCase {
  readonly name: string;
  readonly cache: 'hot' | 'cold' | undefined;
  /** Sizes it has a meaning for. */
  fits(bytes: number): boolean;
  /** Makes ready outside the timed part. */
  prepare?(bytes: number): void | Promise<void>;
  /** @returns microseconds. */
  sample(bytes: number): number | Promise<number>;
  /** Tidies up outside the timed part. */
  finish?(bytes: number): void | Promise<void>;
}

const HUGE = 2 * MIB;
/** Requests of this size and above get a mapping of their own, so every size of the bench is fresh. */
const FRESH_THRESHOLD = 32 * KIB;
/** The largest threshold that glibc accepts on 64-bit machines; above it, nothing is ever reused. */
const WARM_THRESHOLD = 32 * MIB;

const microsSince = (before: number): number => (performance.now() - before) * 1000;

/** malloc and touch of fresh pages, mmap threshold fixed. */
export const localFresh: TimedCase = {
  name: 'local-fresh',
  cache: undefined,
  fits: () => true,
  prepare: () => {
    mallopt(M_MMAP_THRESHOLD, FRESH_THRESHOLD);
    mallopt(M_TOP_PAD, 0); // no slack at the top of the heap for a small request to fit in
    mallocTrim(0);
  },
  sample(bytes) {
    const before = performance.now();
    const at = malloc(bytes);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    free(at);
    return micros;
  },
};

/** mmap with MAP_POPULATE, then touch: the faults are taken in one system call. */
export const localPopulate: TimedCase = {
  name: 'local-populate',
  cache: undefined,
  fits: () => true,
  sample(bytes) {
    const before = performance.now();
    const at = mmap(0, bytes, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    munmap(at, bytes);
    return micros;
  },
};

/** Fresh transparent huge pages, asked for with madvise. */
export const localHuge: TimedCase = {
  name: 'local-huge',
  cache: undefined,
  fits: (bytes) => bytes >= HUGE,
  sample(bytes) {
    const before = performance.now();
    const at = mmap(0, bytes + HUGE, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
    mallopt(M_MMAP_THRESHOLD, WARM_THRESHOLD);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    const at = malloc(bytes);
    memset(at, 1, bytes);
    free(at);
  },
  sample(bytes) {
    const before = performance.now();
    const at = malloc(bytes);
    memset(at, 1, bytes);
    const micros = microsSince(before);
    free(at);
    return micros;
  },
  finish() {
    mallopt(M_TRIM_THRESHOLD, 128 * KIB);
    mallocTrim(0); // or local-fresh would be given these warm pages
  },
};

/** Private memory of the process, touched once before: for `touch-only` and `local-pool`. */
export class PrivateRegion {
  readonly address: number;
  readonly byteLength: number;
  #next = 0;

  /** @param huge whether its pages are huge; to compare like with like, those of the arena decide. */
  constructor(byteLength: number, huge: boolean) {
    const at = mmap(0, byteLength + HUGE, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    this.address = roundUp(at, HUGE);
    this.byteLength = byteLength;
    madvise(this.address, byteLength, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(this.address, 0, byteLength);
  }

  /** The next stretch of `bytes`, going round. */
  rotate(bytes: number): number {
    const start = this.#next + bytes > this.byteLength ? 0 : this.#next;
    this.#next = start + bytes;
    return this.address + start;
  }
}

/** Zeroes memory of this process on another thread, as a scrubber would: the caches are then in the same state. */
export type ZeroElsewhere = (address: number, length: number) => Promise<void>;

/**
 * Writing to memory that is resident and mapped: the floor under every allocation.
 * Hot: the same stretch again. Cold: going round through a region of at least four last-level caches.
 */
export function touchOnly(region: PrivateRegion, cache: 'hot' | 'cold', zero: ZeroElsewhere): TimedCase {
  let address = region.address;
  return {
    name: 'touch-only',
    cache,
    fits: (bytes) => bytes <= region.byteLength,
    async prepare(bytes) {
      address = cache === 'hot' ? region.address : region.rotate(bytes);
      if (cache === 'hot') await zero(address, bytes);
    },
    sample(bytes) {
      const before = performance.now();
      memset(address, 1, bytes);
      return microsSince(before);
    },
    async finish(bytes) {
      if (cache === 'cold') await zero(address, bytes);
    },
  };
}

/** A pool that the process filled with zeroed, resident memory beforehand, at its own expense of idle memory. */
export function localPool(region: PrivateRegion, cache: 'hot' | 'cold', zero: ZeroElsewhere): TimedCase {
  const stack: number[] = [];
  let taken = 0;
  return {
    name: 'local-pool',
    cache,
    fits: (bytes) => bytes <= region.byteLength,
    async prepare(bytes) {
      const address = cache === 'hot' ? region.address : region.rotate(bytes);
      if (cache === 'hot') await zero(address, bytes);
      stack.length = 0;
      stack.push(address);
    },
    sample(bytes) {
      const before = performance.now();
      taken = stack.pop()!;
      memset(taken, 1, bytes);
      return microsSince(before);
    },
    // What was used must be zeroed before it is a pool again; another thread does it, as memtide's scrubber does.
    async finish(bytes) {
      if (cache === 'cold') await zero(taken, bytes);
    },
  };
}
