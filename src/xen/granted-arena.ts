/**
 * The arena of dom0 as a guest sees it: addresses for all of it, and behind them the chunks that are granted to the guest.
 * Each process of the guest maps for itself. Mapping takes no memory from the guest; it is done ahead of need, and at the
 * latest when a chunk is first used.
 */
import type { Geometry } from '../control/layout.ts';
import { memset } from '../native/libc.ts';
import { type Mapping, reserveAddresses } from '../native/mapping.ts';
import { roundUp } from '../units.ts';
import type { ChunkGrants } from './chunk-grants.ts';
import { DOM0 } from './device.ts';
import { type MappedGrants, mapGrants } from './map-grants.ts';

export class GrantedArena {
  /** For the whole of the arena, whatever is granted. */
  readonly mapping: Mapping;
  readonly #grants: ChunkGrants;
  readonly #mapped: (MappedGrants | undefined)[] = [];
  /** Why a chunk could not be mapped, the last time that one could not. */
  problem: Error | undefined;
  /** Turn of the grant that is mapped, by chunk; 0: nothing is. */
  readonly #turns: Int32Array;

  constructor(grants: ChunkGrants, { chunkCount, chunkShift }: Geometry) {
    const chunkBytes = 2 ** chunkShift;
    this.#grants = grants;
    this.#turns = new Int32Array(chunkCount);
    const reserved = reserveAddresses((chunkCount + 1) * chunkBytes, 'arena of dom0');
    this.mapping = { address: roundUp(reserved.address, chunkBytes), byteLength: chunkCount * chunkBytes };
  }

  get mappedChunks(): number {
    return this.#turns.reduce((count, turn) => count + (turn === 0 ? 0 : 1), 0);
  }

  /**
   * Maps what has been granted and lets go of what is not any more. What it lets go of reads as zeroes from here on
   * (src/decisions/0021). @returns whether it let go of anything.
   */
  follow(): boolean {
    let released = false;
    for (let chunk = 0; chunk < this.#turns.length; chunk++) {
      const turn = this.#turns[chunk] as number;
      const now = this.#grants.turnOf(chunk);
      if (turn === now) continue;
      if (turn !== 0) {
        this.#release(chunk);
        released = true;
      }
      if ((now & 1) === 1) this.#map(chunk);
    }
    return released;
  }

  /** Maps the chunks of a range that are not mapped yet. @returns false where one of them is not granted. */
  ensure(offset: number, length: number): boolean {
    const { chunkBytes } = this.#grants;
    for (let chunk = Math.floor(offset / chunkBytes); chunk * chunkBytes < offset + length; chunk++) {
      if (this.#turns[chunk] === this.#grants.turnOf(chunk) && this.#turns[chunk] !== 0) continue;
      if (this.#turns[chunk] !== 0) this.#release(chunk);
      if (!this.#map(chunk)) return false;
    }
    return true;
  }

  /** Zeroes a range of granted chunks in place. */
  scrub(offset: number, length: number): void {
    if (this.ensure(offset, length)) memset(this.mapping.address + offset, 0, length);
  }

  /** Lets go of everything. */
  close(): void {
    for (let chunk = 0; chunk < this.#turns.length; chunk++) if (this.#turns[chunk] !== 0) this.#release(chunk);
  }

  #map(chunk: number): boolean {
    const turn = this.#grants.turnOf(chunk);
    const references = this.#grants.referencesOf(chunk);
    if (!references) return false;
    try {
      this.#mapped[chunk] = mapGrants(DOM0, references, this.mapping.address + chunk * this.#grants.chunkBytes);
    } catch (error) {
      this.problem = error as Error; // withdrawn meanwhile; else the next look tells it again
      return false;
    }
    this.#turns[chunk] = turn;
    return true;
  }

  #release(chunk: number): void {
    this.#mapped[chunk]?.close();
    this.#mapped[chunk] = undefined;
    this.#turns[chunk] = 0;
  }
}
