import { MADV_HUGEPAGE, MADV_NOHUGEPAGE, madvise, memset } from '../../native/libc.ts';
import { mapPrivate, unmapPrivate } from '../../native/mapping.ts';
import { MIB, roundUp } from '../../units.ts';
import type { Cache } from './result.ts';
import { microsSince, type TimedCase } from './timed-case.ts';

/** What a process can do with memory that it holds already: the floor under every allocation. */
const HUGE = 2 * MIB;

/** Private memory of the process, resident: for `touch-only`, `local-pool`, and to clear the caches. */
export class PrivateRegion {
  readonly address: number;
  readonly byteLength: number;
  readonly #unmap: () => void;
  #next = 0;

  /** @param huge whether its pages are huge; to compare like with like, those of the arena decide. */
  constructor(byteLength: number, huge: boolean) {
    const mapping = mapPrivate(byteLength + HUGE, { what: 'private region of the bench' });
    this.address = roundUp(mapping.address, HUGE);
    this.byteLength = byteLength;
    this.#unmap = () => unmapPrivate(mapping);
    madvise(this.address, byteLength, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    memset(this.address, 0, byteLength);
  }

  /** The next stretch of `bytes`, going round. */
  rotate(bytes: number): number {
    const start = this.#next + bytes > this.byteLength ? 0 : this.#next;
    this.#next = start + bytes;
    return this.address + start;
  }

  /** Fills the caches with this region, so that they hold nothing else. */
  writeAll(): void {
    memset(this.address, 0, this.byteLength);
  }

  close(): void {
    this.#unmap();
  }
}

/** Zeroes memory of this process on another thread. */
export type ZeroElsewhere = (address: number, length: number) => Promise<void>;

/**
 * Writing to memory that is resident and mapped, going round through a region of at least four last-level caches. Hot: it
 * was zeroed just before. A lease is never in the same place for long either, and where memory lies in a cache is luck.
 */
export function touchOnly(region: PrivateRegion, cache: Cache, zero: ZeroElsewhere): TimedCase {
  let address = region.address;
  return {
    name: 'touch-only',
    cache,
    fits: (bytes) => bytes <= region.byteLength,
    async prepare(bytes) {
      address = region.rotate(bytes);
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
export function localPool(region: PrivateRegion, cache: Cache, zero: ZeroElsewhere): TimedCase {
  const stack: number[] = [];
  let taken = 0;
  return {
    name: 'local-pool',
    cache,
    fits: (bytes) => bytes <= region.byteLength,
    async prepare(bytes) {
      const address = region.rotate(bytes);
      if (cache === 'hot') await zero(address, bytes);
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
