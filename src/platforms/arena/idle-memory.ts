import { BLOCK, STATE, sessionOf, stateOf } from '../../control/layout.ts';
import { type BlockTable, type Grants, isGranted, type Ledger } from '../../control/ledger.ts';

/**
 * What a domain holds and nobody uses, as its ledger says at one moment: a hint, that each claim confirms piece by piece.
 * One look costs a read for each chunk, and one for each block of a split chunk.
 */
export class IdleMemory {
  readonly #ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #grants: Grants | undefined;
  /** Clean chunks that the session may claim. */
  cleanChunks = 0;
  /** Released chunks, not scrubbed yet. */
  releasedChunks = 0;
  /** Chunks that the front end is zeroing now. */
  scrubbingChunks = 0;
  /** Split chunks of which nobody holds a block: the front end is about to make them whole. Their blocks count below too. */
  idleSplitChunks = 0;
  /** Blocks of split chunks. */
  freeBlocks = 0;
  releasedBlocks = 0;
  scrubbingBlocks = 0;

  /** @param grants what is the domain's; without them the ledger alone is believed. */
  constructor(ledger: Ledger, blocks: BlockTable, grants?: Grants) {
    this.#ledger = ledger;
    this.#blocks = blocks;
    this.#grants = grants;
  }

  look(session: number): void {
    this.cleanChunks = 0;
    this.releasedChunks = 0;
    this.scrubbingChunks = 0;
    this.idleSplitChunks = 0;
    this.freeBlocks = 0;
    this.releasedBlocks = 0;
    this.scrubbingBlocks = 0;
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      const word = this.#ledger.peek(chunk);
      const state = stateOf(word);
      if (state === STATE.none || state === STATE.leased) continue; // nearly all of them
      if (!isGranted(this.#grants, chunk)) continue;
      if (state === STATE.reserved || state === STATE.offered) this.cleanChunks++;
      else if (state === STATE.promised && sessionOf(word) === session) this.cleanChunks++;
      else if (state === STATE.dirty) this.releasedChunks++;
      else if (state === STATE.scrubbing) this.scrubbingChunks++;
      else if (state === STATE.split || state === STATE.merging) this.#lookAtBlocks(chunk, state === STATE.merging);
    }
  }

  /** Blocks of split chunks that nobody holds. */
  get idleBlocks(): number {
    return this.freeBlocks + this.releasedBlocks + this.scrubbingBlocks;
  }

  /** @param merging its blocks are taken by the front end, one by one, and given up again if one of them is held. */
  #lookAtBlocks(chunk: number, merging: boolean): void {
    const blocks = this.#blocks;
    let held = 0;
    for (let block = 0; block < blocks.perChunk; block++) {
      const word = blocks.peek(chunk, block);
      if (word === BLOCK.free) this.freeBlocks++;
      else if (word === BLOCK.dirty) this.releasedBlocks++;
      else if (word === BLOCK.scrubbing || (merging && word === BLOCK.none)) this.scrubbingBlocks++;
      else held++;
    }
    if (held === 0) this.idleSplitChunks++;
  }
}
