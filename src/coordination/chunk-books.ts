/**
 * The back end's private books: whose each chunk is. This, and never what lies in shared memory, decides.
 *
 * Conservation holds by construction: a chunk has one entry, and the entry names one owner.
 */
const FREE = -1;
/** No memory behind it: not yet taken from the system, or given back. */
const ABSENT = -2;

export class ChunkBooks {
  readonly chunkCount: number;
  readonly #owner: Int16Array;
  readonly #clean: Uint8Array;
  readonly #turn: Uint32Array;
  readonly #held: Int32Array;
  #free = 0;
  #freeDirty = 0;

  constructor(chunkCount: number) {
    this.chunkCount = chunkCount;
    this.#owner = new Int16Array(chunkCount).fill(ABSENT);
    this.#clean = new Uint8Array(chunkCount);
    this.#turn = new Uint32Array(chunkCount);
    this.#held = new Int32Array(256);
  }

  /** The pair that a chunk was given to (0 and up), or a negative number. */
  ownerOf(chunk: number): number {
    return this.#owner[chunk]!;
  }

  isClean(chunk: number): boolean {
    return this.#clean[chunk] === 1;
  }

  isFree(chunk: number): boolean {
    return this.#owner[chunk] === FREE;
  }

  /** Changes whenever the chunk stops being free: who was scrubbing it must stop then. */
  turnOf(chunk: number): number {
    return this.#turn[chunk]!;
  }

  /** Chunks given to a pair: offered, held or leased. */
  heldBy(pair: number): number {
    return this.#held[pair]!;
  }

  get freeChunks(): number {
    return this.#free;
  }

  get presentChunks(): number {
    let present = 0;
    for (const owner of this.#owner) if (owner !== ABSENT) present++;
    return present;
  }

  /** A chunk that has memory now. Fresh memory from the kernel is clean. */
  addFree(chunk: number, clean: boolean): void {
    this.#expect(chunk, ABSENT);
    this.#setFree(chunk, clean);
  }

  /** A free chunk whose memory goes back to the system. @returns its number, or -1 when none is free. */
  removeFree(): number {
    for (let chunk = this.chunkCount - 1; chunk >= 0; chunk--) {
      if (this.#owner[chunk] !== FREE) continue;
      this.#unsetFree(chunk);
      this.#owner[chunk] = ABSENT;
      this.#turn[chunk] = this.#turn[chunk]! + 1;
      return chunk;
    }
    return -1;
  }

  /** A chunk without memory, to be populated; -1 when there is none. */
  nextAbsent(): number {
    return this.#owner.indexOf(ABSENT);
  }

  give(chunk: number, pair: number): void {
    this.#expect(chunk, FREE);
    this.#unsetFree(chunk);
    this.#owner[chunk] = pair;
    this.#turn[chunk] = this.#turn[chunk]! + 1;
    this.#held[pair] = this.#held[pair]! + 1;
  }

  takeBack(chunk: number, clean: boolean): void {
    const pair = this.#owner[chunk]!;
    if (pair < 0) throw new RangeError(`chunk ${chunk} belongs to no pair`);
    this.#held[pair] = this.#held[pair]! - 1;
    this.#setFree(chunk, clean);
  }

  markClean(chunk: number): void {
    if (this.#owner[chunk] === FREE && this.#clean[chunk] === 0) this.#freeDirty--;
    this.#clean[chunk] = 1;
  }

  /**
   * The free chunk to give next: the first of `wanted` clean neighbours if there are so many in a row, else the first
   * clean one, else a dirty one; -1 when nothing is free.
   */
  nextFree(wanted: number): number {
    if (this.#free === 0) return -1;
    let firstClean = -1;
    let firstDirty = -1;
    let run = 0;
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      if (this.#owner[chunk] !== FREE) {
        run = 0;
        continue;
      }
      if (this.#clean[chunk] === 0) {
        if (firstDirty < 0) firstDirty = chunk;
        run = 0;
        continue;
      }
      if (firstClean < 0) firstClean = chunk;
      if (++run >= wanted) return chunk - wanted + 1;
    }
    return firstClean >= 0 ? firstClean : firstDirty;
  }

  /** A free dirty chunk to scrub next, or -1. It stays free: whoever needs it meanwhile scrubs it whole. */
  nextDirty(): number {
    if (this.#freeDirty === 0) return -1;
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      if (this.#owner[chunk] === FREE && this.#clean[chunk] === 0) return chunk;
    }
    return -1;
  }

  #setFree(chunk: number, clean: boolean): void {
    this.#owner[chunk] = FREE;
    this.#clean[chunk] = clean ? 1 : 0;
    this.#free++;
    if (!clean) this.#freeDirty++;
  }

  #unsetFree(chunk: number): void {
    if (this.#clean[chunk] === 0) this.#freeDirty--;
    this.#free--;
  }

  #expect(chunk: number, owner: number): void {
    if (this.#owner[chunk] !== owner) throw new RangeError(`chunk ${chunk} is not as expected: ${this.#owner[chunk]}`);
  }
}
