import { MemtideError } from '../errors.ts';
import {
  errnoName,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  PROT_READ_WRITE,
  viewOf,
} from '../native/libc.ts';
import { MAX_VIEW_BYTES, type Mapping, reserveAddresses } from '../native/mapping.ts';
import type { Extent } from '../platforms/contracts.ts';
import { roundUp } from '../units.ts';

/** A stretch of addresses over which scattered memory is mapped side by side. */
export interface LeaseWindow {
  readonly address: number;
  readonly byteLength: number;
  readonly buffer: ArrayBuffer;
}

/** What makes windows of an arena. */
export interface Windows {
  /** @throws MemtideError when they cannot be shown. */
  show(extents: readonly Extent[]): LeaseWindow;
  /** The lease over this window has ended. */
  recycle(window: LeaseWindow): void;
}

/** The arena, as far as a connection needs it. */
export interface LeasedMemory {
  readonly mapping: Mapping;
  /** Zeroes `[offset, offset + length)`. */
  scrub(offset: number, length: number): void;
  /** Where memory comes and goes: makes sure that a range is mapped. @throws MemtideError where it is not there. */
  ensure?(offset: number, length: number): void;
  /** Where memory comes and goes: maps what is new, and lets go of what is wanted back. */
  follow?(): void;
  close(): void;
}

/** Bytes of the smallest window. */
const LEAST_WINDOW_BYTES = 256 * 1024;

/**
 * Makes one contiguous view of pieces that are not neighbours in the arena, so that no request is refused while the free
 * memory would suffice. Costs one mmap a piece and the page-table entries; the memory itself is not touched.
 *
 * Windows are kept and used again: a view, once given out, can never be unmapped (src/decisions/0003). What an idle
 * window shows is nobody's memory: it costs one mapping only, and a view that outlived its lease does no harm there.
 */
export class LeaseWindows implements Windows {
  readonly #arenaFd: number;
  readonly #idle: LeaseWindow[] = [];
  readonly #alignment: number;

  /** @param alignment of the addresses, so that huge pages stay huge: the chunk size. */
  constructor(arenaFd: number, alignment: number) {
    this.#arenaFd = arenaFd;
    this.#alignment = alignment;
  }

  /**
   * @param extents of the arena, whole pages each; the window shows them in this order, from its first byte on.
   * @throws MemtideError when the process has as many mappings as it may.
   */
  show(extents: readonly Extent[]): LeaseWindow {
    const window = this.#window(extents.reduce((sum, { length }) => sum + length, 0));
    let at = window.address;
    for (const { offset, length } of extents) {
      const flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
      if (mmap(at, length, PROT_READ_WRITE, flags, this.#arenaFd, offset) === -1) {
        const actual = errnoName();
        this.recycle(window);
        throw new MemtideError({
          operation: 'show scattered memory as one',
          object: `${extents.length} pieces`,
          actual,
          remedy: 'raise vm.max_map_count, or lease smaller pieces',
        });
      }
      at += length;
    }
    return window;
  }

  /** The lease over this window has ended. */
  recycle(window: LeaseWindow): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    mmap(window.address, window.byteLength, PROT_READ_WRITE, flags, -1, 0);
    this.#idle.push(window);
  }

  /** Addresses are plenty: windows come in powers of two, so that few of them serve leases of all sizes. */
  #window(byteLength: number): LeaseWindow {
    const size = Math.min(MAX_VIEW_BYTES, Math.max(LEAST_WINDOW_BYTES, 2 ** Math.ceil(Math.log2(byteLength))));
    const fits = this.#idle.findIndex((window) => window.byteLength === size);
    if (fits >= 0) return this.#idle.splice(fits, 1)[0]!;
    const reserved = reserveAddresses(size + this.#alignment, 'lease window');
    const address = roundUp(reserved.address, this.#alignment);
    return { address, byteLength: size, buffer: viewOf(address, size) };
  }
}
