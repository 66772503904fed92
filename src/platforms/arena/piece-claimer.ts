import { BLOCK, STATE, stateOf, wordOf } from '../../control/layout.ts';
import type { BlockTable, Claimer, Ledger } from '../../control/ledger.ts';
import type { ScatteredPieces } from '../contracts.ts';
import type { ScrubbedMemory } from './chunk-keeper.ts';
import type { IdleMemory } from './idle-memory.ts';

/**
 * Claims memory in whatever pieces there are, when no neighbours suffice: whole chunks, blocks of split chunks, and, once
 * clean memory has run out, what was released and not scrubbed yet, which is zeroed here. All that is asked for, or
 * nothing. Every piece bears the session's name from the moment it is taken, so a death in the middle loses none.
 */
export class PieceClaimer {
  readonly #ledger: Ledger;
  readonly #table: BlockTable;
  readonly #claimer: Claimer;
  readonly #session: number;
  readonly #memory: ScrubbedMemory | undefined;
  readonly #chunks: number[] = [];
  readonly #blocks: number[] = [];
  /** How many of `#chunks` and `#blocks`, from the start, were clean when they were taken. */
  #cleanChunks = 0;
  #cleanBlocks = 0;

  /** @param memory is needed for taking what is not scrubbed yet; without it, that is left to the front end. */
  constructor(
    ledger: Ledger,
    table: BlockTable,
    claimer: Claimer,
    session: number,
    memory: ScrubbedMemory | undefined,
  ) {
    this.#ledger = ledger;
    this.#table = table;
    this.#claimer = claimer;
    this.#session = session;
    this.#memory = memory;
  }

  /**
   * @param blocks how much. @param revocable in whole chunks only. @param releasedChunks whether released chunks may be
   * taken. @param there what there is, looked at just now.
   */
  take(blocks: number, revocable: boolean, releasedChunks: boolean, there: IdleMemory): ScatteredPieces | undefined {
    const { perChunk } = this.#table;
    const released = this.#memory !== undefined;
    const takeReleased = released && releasedChunks;
    const chunksThere = there.cleanChunks + (takeReleased ? there.releasedChunks : 0);
    const blocksThere = revocable ? 0 : there.freeBlocks + (released ? there.releasedBlocks : 0);
    // Taking what must be given back again disturbs others.
    if (chunksThere * perChunk + blocksThere < blocks) return undefined;
    this.#chunks.length = 0;
    this.#blocks.length = 0;
    this.#claimer.begin();
    let left = blocks;
    left -= perChunk * this.#claimer.claimSome(Math.floor(left / perChunk), this.#chunks, false, revocable);
    this.#cleanChunks = this.#chunks.length;
    if (takeReleased) {
      left -= perChunk * this.#claimer.claimSome(Math.floor(left / perChunk), this.#chunks, true, revocable);
    }
    if (!revocable && left > 0) left = this.#takeBlocks(left, released, takeReleased);
    if (left > 0) {
      this.#giveBack();
      return undefined;
    }
    this.#scrub();
    return { chunks: Int32Array.from(this.#chunks).sort(), blocks: Int32Array.from(this.#blocks).sort() };
  }

  /** One run of blocks if there is one, else a chunk that is opened, else any blocks. @returns what is still missing. */
  #takeBlocks(wanted: number, released: boolean, releasedChunks: boolean): number {
    let left = wanted;
    this.#cleanBlocks = 0;
    if (left < this.#table.perChunk && (this.#takeRun(left) || this.#open(left, false))) left = 0;
    if (left > 0) left -= this.#takeAny(left, BLOCK.free);
    this.#cleanBlocks = this.#blocks.length;
    if (left > 0 && released) left -= this.#takeAny(left, BLOCK.dirty);
    if (left > 0 && left < this.#table.perChunk && releasedChunks && this.#open(left, true)) left = 0;
    return left;
  }

  #takeRun(length: number): boolean {
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      if (stateOf(this.#ledger.peek(chunk)) !== STATE.split || !this.#claimer.isGranted(chunk)) continue;
      const first = this.#table.claimRun(chunk, length, this.#session);
      if (first < 0) continue;
      for (let block = first; block < first + length; block++) this.#blocks.push(chunk * this.#table.perChunk + block);
      return true;
    }
    return false;
  }

  #takeAny(most: number, from: number): number {
    let taken = 0;
    for (let chunk = 0; chunk < this.#ledger.chunkCount && taken < most; chunk++) {
      if (stateOf(this.#ledger.peek(chunk)) !== STATE.split || !this.#claimer.isGranted(chunk)) continue;
      taken += this.#table.claimSome(chunk, most - taken, this.#session, from, this.#blocks);
    }
    return taken;
  }

  /** Takes a chunk for its first `mine` blocks. */
  #open(mine: number, released: boolean): boolean {
    const at = this.#chunks.length;
    if (this.#claimer.claimSome(1, this.#chunks, released) === 0) return false;
    const chunk = this.#chunks[at]!;
    this.#chunks.length = at;
    splitChunk(this.#ledger, this.#table, chunk, this.#session, mine, released ? BLOCK.dirty : BLOCK.free);
    for (let block = 0; block < mine; block++) this.#blocks.push(chunk * this.#table.perChunk + block);
    return true;
  }

  #giveBack(): void {
    const { perChunk } = this.#table;
    const mine = BLOCK.sessionBase + this.#session;
    for (const [at, chunk] of this.#chunks.entries()) {
      if (at < this.#cleanChunks) this.#claimer.giveBackClean(chunk);
      else this.#claimer.release(chunk);
    }
    for (const [at, block] of this.#blocks.entries()) {
      const to = at < this.#cleanBlocks ? BLOCK.free : BLOCK.dirty;
      this.#table.move(Math.floor(block / perChunk), block % perChunk, mine, to);
    }
  }

  #scrub(): void {
    const { chunkBytes } = this.#ledger;
    const { blockBytes } = this.#table;
    for (let at = this.#cleanChunks; at < this.#chunks.length; at++) {
      this.#memory!.scrub(this.#chunks[at]! * chunkBytes, chunkBytes);
    }
    for (let at = this.#cleanBlocks; at < this.#blocks.length; at++) {
      this.#memory!.scrub(this.#blocks[at]! * blockBytes, blockBytes);
    }
  }
}

/** Splits a chunk that `session` has leased: its first `mine` blocks stay with it, the others are in state `rest`. */
export function splitChunk(
  ledger: Ledger,
  table: BlockTable,
  chunk: number,
  session: number,
  mine: number,
  rest: number,
): void {
  ledger.set(chunk, wordOf(STATE.splitting, session));
  for (let block = 0; block < table.perChunk; block++) {
    table.set(chunk, block, block < mine ? BLOCK.sessionBase + session : rest);
  }
  ledger.set(chunk, wordOf(STATE.split));
}
