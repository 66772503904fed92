import type { ControlFile } from '../../control/contracts.ts';
import { BLOCK, type Geometry, SESSION_SLOTS, STATE, sessionOf, stateOf, wordOf } from '../../control/layout.ts';
import { BlockTable, type Grants, isGranted, Ledger } from '../../control/ledger.ts';
import type { LeaseKeeper } from '../contracts.ts';

/** States whose word says which session they speak of. */
const NAMES_A_SESSION: readonly number[] = [STATE.promised, STATE.leased, STATE.leasedRevocable, STATE.splitting];

/** The arena's memory, as far as it is needed to zero it. */
export interface ScrubbedMemory {
  /** Zeroes `[offset, offset + length)`. */
  scrub(offset: number, length: number): void;
}

/**
 * The front end's end of the arena: scrubs what applications have released, puts split chunks together again, and hands
 * chunks back to the lender. Each chunk is worked upon in a state that names this party, so that nobody claims it
 * meanwhile: SCRUBBING and MERGING for a chunk, SCRUBBING for a block.
 */
export class ChunkKeeper implements LeaseKeeper {
  readonly ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #memory: ScrubbedMemory;
  readonly #grants: Grants | undefined;
  /** The chunk that is half scrubbed, or -1, and how far. */
  #scrubbing = -1;
  #scrubbed = 0;

  /** @param grants the books: memory that they do not give to the domain is not touched, whatever the ledger says. */
  constructor(file: ControlFile, geometry: Geometry, memory: ScrubbedMemory, grants?: Grants) {
    this.#grants = grants;
    this.ledger = new Ledger(file, geometry);
    this.#blocks = new BlockTable(file, geometry);
    this.#memory = memory;
  }

  /**
   * Takes up what a front end that died has left half done. How far it came is not known, so that counts as released
   * memory. Before anything else, and only once the predecessor is known to be dead.
   */
  takeUp(): void {
    const { ledger } = this;
    const blocks = this.#blocks;
    for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
      const state = stateOf(ledger.peek(chunk));
      if (state === STATE.scrubbing) ledger.set(chunk, wordOf(STATE.dirty));
      if (state === STATE.merging) reopen(ledger, blocks, chunk);
      if (state !== STATE.merging && state !== STATE.split) continue;
      for (let block = 0; block < blocks.perChunk; block++) blocks.move(chunk, block, BLOCK.scrubbing, BLOCK.dirty);
    }
  }

  /**
   * Brings words back into order that no honest party has left so: states that do not exist, work in progress that is
   * not, sessions where none belong. What they stand for counts as released memory, and is scrubbed.
   * @returns how many there were.
   */
  mend(): number {
    const { ledger } = this;
    let mended = 0;
    for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
      const word = ledger.peek(chunk);
      const state = stateOf(word);
      const named = NAMES_A_SESSION.includes(state);
      const holderless = named && (sessionOf(word) === 0 || sessionOf(word) >= SESSION_SLOTS);
      if (state > STATE.returning || holderless || (state === STATE.scrubbing && chunk !== this.#scrubbing)) {
        if (ledger.move(chunk, word, wordOf(STATE.dirty))) mended++;
      } else if (state === STATE.merging) {
        reopen(ledger, this.#blocks, chunk);
        mended++;
      } else if (!named && word !== wordOf(state)) {
        if (ledger.move(chunk, word, wordOf(state))) mended++;
      } else if (state === STATE.split) {
        mended += this.#mendBlocks(chunk);
      }
    }
    return mended;
  }

  #mendBlocks(chunk: number): number {
    const blocks = this.#blocks;
    let mended = 0;
    for (let block = 0; block < blocks.perChunk; block++) {
      const value = blocks.peek(chunk, block);
      const session = value - BLOCK.sessionBase;
      if (value === BLOCK.free || value === BLOCK.dirty || (session > 0 && session < SESSION_SLOTS)) continue;
      if (blocks.move(chunk, block, value, BLOCK.dirty)) mended++;
    }
    return mended;
  }

  scrub(budgetBytes: number): number {
    const { ledger } = this;
    let left = budgetBytes;
    if (this.#scrubbing >= 0) left -= this.#scrubChunk(left);
    for (let chunk = 0; chunk < ledger.chunkCount && left > 0; chunk++) {
      const word = ledger.peek(chunk);
      const state = stateOf(word);
      if ((state !== STATE.split && state !== STATE.dirty) || !isGranted(this.#grants, chunk)) continue;
      if (state === STATE.split) {
        left -= this.#tendSplit(chunk, word, left);
      } else if (ledger.move(chunk, word, wordOf(STATE.scrubbing))) {
        this.#scrubbing = chunk;
        this.#scrubbed = 0;
        left -= this.#scrubChunk(left);
      }
    }
    return budgetBytes - left;
  }

  /** Released chunks first: they need no scrubbing here then. */
  revoke(chunks: number): number {
    let given = this.#giveBack(STATE.dirty, chunks);
    if (given < chunks && this.#scrubbing >= 0) {
      if (this.ledger.move(this.#scrubbing, wordOf(STATE.scrubbing), wordOf(STATE.returning))) given++;
      this.#scrubbing = -1;
    }
    given += this.#giveBackIdleSplits(chunks - given);
    return given + this.#giveBack(STATE.reserved, chunks - given);
  }

  /** Takes up to `chunks` offers into the reserve. @returns how many there were. */
  reserve(chunks: number): number {
    return this.#moveAll(STATE.offered, STATE.reserved, chunks);
  }

  /** Makes what was promised to a session, and that it has not claimed, reserve of the whole domain. It is clean. */
  dropPromises(session: number): void {
    const promised = wordOf(STATE.promised, session);
    for (let chunk = 0; chunk < this.ledger.chunkCount; chunk++) {
      if (this.ledger.peek(chunk) === promised) this.ledger.move(chunk, promised, wordOf(STATE.reserved));
    }
  }

  reap(session: number): number {
    return reapFrom(this.ledger, this.#blocks, session);
  }

  #giveBack(from: number, most: number): number {
    return this.#moveAll(from, STATE.returning, most);
  }

  #moveAll(from: number, to: number, most: number): number {
    let moved = 0;
    for (let chunk = 0; chunk < this.ledger.chunkCount && moved < most; chunk++) {
      const word = this.ledger.peek(chunk);
      if (stateOf(word) === from && this.ledger.move(chunk, word, wordOf(to))) moved++;
    }
    return moved;
  }

  #scrubChunk(budgetBytes: number): number {
    const { chunkBytes } = this.ledger;
    const chunk = this.#scrubbing;
    if (stateOf(this.ledger.peek(chunk)) !== STATE.scrubbing || !isGranted(this.#grants, chunk)) {
      this.#scrubbing = -1; // somebody has written over the word
      return 0;
    }
    const length = Math.min(budgetBytes, chunkBytes - this.#scrubbed);
    this.#memory.scrub(chunk * chunkBytes + this.#scrubbed, length);
    this.#scrubbed += length;
    if (this.#scrubbed >= chunkBytes) {
      this.ledger.move(chunk, wordOf(STATE.scrubbing), wordOf(STATE.reserved));
      this.#scrubbing = -1;
    }
    return length;
  }

  /** Scrubs released blocks of a split chunk; when all its blocks are free, makes it whole again. @returns bytes. */
  #tendSplit(chunk: number, word: number, budgetBytes: number): number {
    const blocks = this.#blocks;
    const { blockBytes } = blocks;
    let done = 0;
    let free = 0;
    for (let block = 0; block < blocks.perChunk; block++) {
      if (done + blockBytes <= budgetBytes && blocks.move(chunk, block, BLOCK.dirty, BLOCK.scrubbing)) {
        this.#memory.scrub(chunk * this.ledger.chunkBytes + block * blockBytes, blockBytes);
        done += blockBytes;
        blocks.set(chunk, block, BLOCK.free);
      }
      if (blocks.peek(chunk, block) === BLOCK.free) free++;
    }
    if (free === blocks.perChunk) this.#merge(chunk, word);
    return done;
  }

  /** Split chunks of which nobody holds a block any more. */
  #giveBackIdleSplits(most: number): number {
    const blocks = this.#blocks;
    let given = 0;
    for (let chunk = 0; chunk < this.ledger.chunkCount && given < most; chunk++) {
      const word = this.ledger.peek(chunk);
      if (stateOf(word) !== STATE.split || !blocks.isIdle(chunk)) continue;
      if (!this.ledger.move(chunk, word, wordOf(STATE.merging))) continue;
      let taken = 0;
      while (
        taken < blocks.perChunk &&
        (blocks.move(chunk, taken, BLOCK.free, BLOCK.none) || blocks.move(chunk, taken, BLOCK.dirty, BLOCK.none))
      ) {
        taken++;
      }
      if (taken === blocks.perChunk) {
        this.ledger.set(chunk, wordOf(STATE.returning));
        given++;
      } else reopen(this.ledger, blocks, chunk);
    }
    return given;
  }

  #merge(chunk: number, word: number): void {
    const blocks = this.#blocks;
    if (!this.ledger.move(chunk, word, wordOf(STATE.merging))) return;
    let taken = 0;
    while (taken < blocks.perChunk && blocks.move(chunk, taken, BLOCK.free, BLOCK.none)) taken++;
    if (taken === blocks.perChunk) {
      this.ledger.set(chunk, wordOf(STATE.reserved));
      return;
    }
    // Somebody took a block in the meantime: open the others again.
    for (let block = 0; block < taken; block++) blocks.set(chunk, block, BLOCK.free);
    this.ledger.set(chunk, wordOf(STATE.split));
  }
}

/** `LeaseKeeper.reap` for a thread of the front end that keeps no chunks. It needs no turn: all of it is by CAS. */
export function reapSession(file: ControlFile, geometry: Geometry, session: number): number {
  return reapFrom(new Ledger(file, geometry), new BlockTable(file, geometry), session);
}

function reapFrom(ledger: Ledger, blocks: BlockTable, session: number): number {
  let reaped = 0;
  for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
    const word = ledger.peek(chunk);
    const state = stateOf(word);
    const mine = sessionOf(word) === session;
    if (state === STATE.splitting || state === STATE.split || state === STATE.merging) {
      // Others may hold blocks of this chunk already, even while it is being split: only the session's own go.
      for (let block = 0; block < blocks.perChunk; block++) blocks.release(chunk, block, session);
      if (state === STATE.splitting && mine) reopen(ledger, blocks, chunk);
    } else if (mine && (state === STATE.leased || state === STATE.leasedRevocable || state === STATE.promised)) {
      if (ledger.move(chunk, word, wordOf(STATE.dirty))) reaped++;
    }
  }
  return reaped;
}

/** Ends a split or a merge in the name of one who died in the middle of it. */
function reopen(ledger: Ledger, blocks: BlockTable, chunk: number): void {
  for (let block = 0; block < blocks.perChunk; block++) blocks.move(chunk, block, BLOCK.none, BLOCK.dirty);
  ledger.set(chunk, wordOf(STATE.split));
}
