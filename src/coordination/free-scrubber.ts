import type { ScrubbedMemory } from '../platforms/arena/chunk-keeper.ts';
import type { ChunkBooks } from './chunk-books.ts';

/**
 * Zeroes free chunks in the background, a slice at a time. A chunk stays free meanwhile: whoever needs it takes it and
 * has it scrubbed whole, and the slice that was under way ends there.
 */
export class FreeScrubber {
  readonly #books: ChunkBooks;
  readonly #memory: ScrubbedMemory;
  readonly #chunkBytes: number;
  #chunk = -1;
  #turn = 0;
  #done = 0;
  scrubbedBytes = 0;

  constructor(books: ChunkBooks, memory: ScrubbedMemory, chunkBytes: number) {
    this.#books = books;
    this.#memory = memory;
    this.#chunkBytes = chunkBytes;
  }

  /** Zeroes up to `budgetBytes` of one free chunk. @returns false when all of them are clean. */
  slice(budgetBytes: number): boolean {
    const books = this.#books;
    if (this.#chunk < 0 || books.turnOf(this.#chunk) !== this.#turn || books.isClean(this.#chunk)) {
      this.#chunk = books.nextDirty();
      if (this.#chunk < 0) return false;
      this.#turn = books.turnOf(this.#chunk);
      this.#done = 0;
    }
    const length = Math.min(budgetBytes, this.#chunkBytes - this.#done);
    this.#scrub(this.#chunk * this.#chunkBytes + this.#done, length);
    this.#done += length;
    if (this.#done < this.#chunkBytes) return true;
    books.markClean(this.#chunk);
    this.#chunk = -1;
    return true;
  }

  /** Zeroes a free chunk that somebody waits for. */
  whole(chunk: number): void {
    this.#scrub(chunk * this.#chunkBytes, this.#chunkBytes);
    this.#books.markClean(chunk);
  }

  #scrub(offset: number, length: number): void {
    this.#memory.scrub(offset, length);
    this.scrubbedBytes += length;
  }
}
