import { OWNER, type OwnerWords, ownedBy, ownersInMemory } from '../control/owner-table.ts';
import { MAX_PAIRS } from './sources.ts';

/**
 * The back end's books: whose each chunk is. This, and never what a pair's ledger says, decides. Who owns what stands in
 * the owner table, which others may look at and which outlives this process; what is clean is known to this process only.
 *
 * Conservation holds by construction: a chunk has one word, and the word names one owner.
 */
export class ChunkBooks {
  readonly chunkCount: number;
  readonly #owners: OwnerWords;
  readonly #clean: Uint8Array;
  readonly #turn: Uint32Array;
  readonly #held: Int32Array;
  #free = 0;
  #freeDirty = 0;
  #present = 0;

  /**
   * @param owners as a predecessor has left them: what is free counts as dirty then, since how far its scrubbing came
   * died with it. Left out: a new arena, without memory.
   */
  constructor(chunkCount: number, owners: OwnerWords = ownersInMemory(chunkCount)) {
    this.chunkCount = chunkCount;
    this.#owners = owners;
    this.#clean = new Uint8Array(chunkCount);
    this.#turn = new Uint32Array(chunkCount);
    this.#held = new Int32Array(MAX_PAIRS);
    for (let chunk = 0; chunk < chunkCount; chunk++) {
      const owner = owners[chunk]!;
      if (owner === OWNER.absent) continue;
      this.#present++;
      if (owner === OWNER.free) {
        this.#free++;
        this.#freeDirty++;
      } else this.#held[owner - OWNER.firstPair]!++;
    }
  }

  /** The pair that a chunk was given to (0 and up), or a negative number. */
  ownerOf(chunk: number): number {
    return this.#owners[chunk]! - OWNER.firstPair;
  }

  isClean(chunk: number): boolean {
    return this.#clean[chunk] === 1;
  }

  isFree(chunk: number): boolean {
    return this.#owners[chunk] === OWNER.free;
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
    return this.#present;
  }

  /** A chunk that has memory now. Fresh memory from the kernel is clean. */
  addFree(chunk: number, clean: boolean): void {
    this.#expect(chunk, OWNER.absent);
    this.#present++;
    this.#setFree(chunk, clean);
  }

  /** A free chunk whose memory goes back to the system. @returns its number, or -1 when none is free. */
  removeFree(): number {
    for (let chunk = this.chunkCount - 1; chunk >= 0; chunk--) {
      if (!this.isFree(chunk)) continue;
      this.#unsetFree(chunk);
      this.#present--;
      Atomics.store(this.#owners, chunk, OWNER.absent);
      this.#turn[chunk] = this.#turn[chunk]! + 1;
      return chunk;
    }
    return -1;
  }

  /** A chunk without memory, to be populated; -1 when there is none. */
  nextAbsent(): number {
    return this.#owners.indexOf(OWNER.absent);
  }

  give(chunk: number, pair: number): void {
    this.#expect(chunk, OWNER.free);
    this.#unsetFree(chunk);
    Atomics.store(this.#owners, chunk, ownedBy(pair));
    this.#turn[chunk] = this.#turn[chunk]! + 1;
    this.#held[pair] = this.#held[pair]! + 1;
  }

  takeBack(chunk: number, clean: boolean): void {
    const pair = this.ownerOf(chunk);
    if (pair < 0) throw new RangeError(`chunk ${chunk} belongs to no pair`);
    this.#held[pair] = this.#held[pair]! - 1;
    this.#setFree(chunk, clean);
  }

  markClean(chunk: number): void {
    if (this.isFree(chunk) && this.#clean[chunk] === 0) this.#freeDirty--;
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
      if (!this.isFree(chunk)) {
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
      if (this.isFree(chunk) && this.#clean[chunk] === 0) return chunk;
    }
    return -1;
  }

  #setFree(chunk: number, clean: boolean): void {
    Atomics.store(this.#owners, chunk, OWNER.free);
    this.#clean[chunk] = clean ? 1 : 0;
    this.#free++;
    if (!clean) this.#freeDirty++;
  }

  #unsetFree(chunk: number): void {
    if (this.#clean[chunk] === 0) this.#freeDirty--;
    this.#free--;
  }

  #expect(chunk: number, owner: number): void {
    if (this.#owners[chunk] !== owner)
      throw new RangeError(`chunk ${chunk} is not as expected: ${this.#owners[chunk]}`);
  }
}
