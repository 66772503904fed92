import { MemtideError } from '../errors.ts';
import { errnoName, MAP_FIXED, MAP_POPULATE, MAP_SHARED, mmap, PROT_READ_WRITE, viewOf } from '../native/libc.ts';
import { reserveAddresses } from '../native/mapping.ts';
import { roundUp } from '../units.ts';

/** A stretch of addresses over which scattered chunks are mapped side by side. */
export interface LeaseWindow {
  readonly address: number;
  readonly byteLength: number;
  readonly buffer: ArrayBuffer;
}

/**
 * Makes one contiguous view of chunks that are not neighbours in the arena, so that no request is refused while the free
 * memory would suffice. Costs one mmap a run and the page-table entries; the memory itself is not touched.
 *
 * Windows are kept and used again: a view, once given out, can never be unmapped (src/decisions/0003).
 */
export class LeaseWindows {
  readonly #arenaFd: number;
  readonly #idle: LeaseWindow[] = [];
  readonly #alignment: number;

  /** @param alignment of the addresses, so that huge pages stay huge: the chunk size. */
  constructor(arenaFd: number, alignment: number) {
    this.#arenaFd = arenaFd;
    this.#alignment = alignment;
  }

  /** @param chunks in any order; the window shows them in this one. */
  show(chunks: Int32Array, chunkBytes: number): LeaseWindow {
    const window = this.#window(chunks.length * chunkBytes);
    let at = 0;
    while (at < chunks.length) {
      let run = 1;
      while (at + run < chunks.length && chunks[at + run] === chunks[at]! + run) run++;
      const mapped = mmap(
        window.address + at * chunkBytes,
        run * chunkBytes,
        PROT_READ_WRITE,
        MAP_SHARED | MAP_FIXED | MAP_POPULATE,
        this.#arenaFd,
        chunks[at]! * chunkBytes,
      );
      if (mapped === -1) {
        this.#idle.push(window);
        throw new MemtideError({
          operation: 'show scattered chunks as one',
          actual: errnoName(),
          remedy: 'raise vm.max_map_count, or lease smaller pieces',
        });
      }
      at += run;
    }
    return window;
  }

  /** The lease over this window has ended; what it shows is not used any more. */
  recycle(window: LeaseWindow): void {
    this.#idle.push(window);
  }

  #window(byteLength: number): LeaseWindow {
    const fits = this.#idle.findIndex((window) => window.byteLength === byteLength);
    if (fits >= 0) return this.#idle.splice(fits, 1)[0]!;
    const reserved = reserveAddresses(byteLength + this.#alignment, 'lease window');
    const address = roundUp(reserved.address, this.#alignment);
    return { address, byteLength, buffer: viewOf(address, byteLength) };
  }
}
