import type { ControlFile } from '../../control/contracts.ts';
import { BLOCK, type Geometry, STATE, stateOf, wordOf } from '../../control/layout.ts';
import { BlockTable, Claimer, type Grants, Ledger } from '../../control/ledger.ts';
import type { Claimed, LeaseHolder } from '../contracts.ts';

/**
 * Claims and releases memory for one session, in chunks and, below a chunk, in blocks: a lease of 64 KiB costs 64 KiB.
 * Nobody is woken and nobody is asked: every step is a compare-and-swap on the pair's ledger.
 */
export class ChunkSpace implements LeaseHolder {
  readonly chunkBytes: number;
  readonly #ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #claimer: Claimer;
  readonly #session: number;
  #splitHint = 0;

  /** @param grants see `Claimer`. */
  constructor(file: ControlFile, geometry: Geometry, session: number, grants?: Grants) {
    this.#ledger = new Ledger(file, geometry);
    this.#blocks = new BlockTable(file, geometry);
    this.#claimer = new Claimer(this.#ledger, session, grants);
    this.#session = session;
    this.chunkBytes = this.#ledger.chunkBytes;
  }

  get blockBytes(): number {
    return this.#blocks.blockBytes;
  }

  /** Chunks that a request for `bytes` may need at most: what the back end is asked for. */
  chunksFor(bytes: number): number {
    return Math.ceil(bytes / this.chunkBytes);
  }

  /** Bytes that could be claimed now with nobody's help. */
  claimableBytes(): number {
    return (this.#ledger.count(STATE.reserved) + this.#ledger.count(STATE.offered)) * this.chunkBytes;
  }

  /** How many chunks of `wanted` are not there to be claimed: what to ask the back end for. At least 1. */
  missingChunks(wanted: number): number {
    const there = this.#ledger.count(STATE.reserved) + this.#ledger.count(STATE.offered);
    return Math.max(1, wanted - there);
  }

  /** See `Connection.placeNext`. */
  placeNext(where: 'same' | 'next', bytes: number): void {
    if (where === 'next') this.#claimer.skip(this.chunksFor(bytes));
  }

  claim(bytes: number, revocable: boolean): Claimed | undefined {
    const { chunkBytes, blockBytes } = this;
    const blocks = Math.ceil(bytes / blockBytes);
    const tail = blocks % this.#blocks.perChunk;
    // A revocable lease takes whole chunks, because whole chunks are what can be handed on.
    if (!revocable && blocks < this.#blocks.perChunk) return this.#claimBlocks(blocks);
    const chunks = Math.ceil(bytes / chunkBytes);
    const start = this.#claimer.claimRun(chunks, revocable);
    if (start < 0) return this.#claimScattered(chunks, revocable);
    const trimmed = tail > 0 && !revocable;
    if (trimmed) this.#openForBlocks(start + chunks - 1, 0, tail);
    return this.#claimed(start, trimmed ? chunks - 1 : chunks, 0, trimmed ? tail : 0, undefined);
  }

  /** Gives everything back and tells where warm memory is to be found next time. */
  release(claimed: Claimed): void {
    const { start, chunks, blocks, firstBlock, scattered } = claimed;
    if (scattered) {
      for (const chunk of scattered) this.#claimer.release(chunk);
      return;
    }
    for (let chunk = start; chunk < start + chunks; chunk++) this.#claimer.release(chunk);
    for (let block = firstBlock; block < firstBlock + blocks; block++) {
      this.#blocks.release(start + chunks, block, this.#session);
    }
    if (chunks > 0) this.#claimer.hintAt(start);
  }

  #claimScattered(chunks: number, revocable: boolean): Claimed | undefined {
    const scattered = new Int32Array(chunks);
    if (!this.#claimer.claimScattered(chunks, scattered, revocable)) return undefined;
    return this.#claimed(-1, chunks, 0, 0, scattered);
  }

  #claimBlocks(blocks: number): Claimed | undefined {
    const count = this.#ledger.chunkCount;
    for (let step = 0; step < count; step++) {
      const chunk = (this.#splitHint + step) % count;
      if (stateOf(this.#ledger.peek(chunk)) !== STATE.split) continue;
      const block = this.#blocks.claimRun(chunk, blocks, this.#session);
      if (block < 0) continue;
      // The front end may have begun to merge the chunk before the blocks were taken; it then finds them taken.
      this.#splitHint = chunk;
      return this.#claimedBlocks(chunk, block, blocks, 'reserve');
    }
    const chunk = this.#claimer.claimRun(1);
    if (chunk < 0) return undefined;
    const { counts } = this.#claimer;
    const tier = counts.reserve > 0 ? 'reserve' : counts.pool > 0 ? 'pool' : 'peer';
    this.#openForBlocks(chunk, 0, blocks);
    this.#splitHint = chunk;
    return this.#claimedBlocks(chunk, 0, blocks, tier);
  }

  /** Splits a chunk that this session has leased: the first blocks stay with it, the others are free for all. */
  #openForBlocks(chunk: number, firstBlock: number, mine: number): void {
    this.#ledger.set(chunk, wordOf(STATE.splitting, this.#session));
    for (let block = 0; block < this.#blocks.perChunk; block++) {
      const owned = block >= firstBlock && block < firstBlock + mine;
      this.#blocks.set(chunk, block, owned ? BLOCK.sessionBase + this.#session : BLOCK.free);
    }
    this.#ledger.set(chunk, wordOf(STATE.split));
  }

  #claimedBlocks(chunk: number, firstBlock: number, blocks: number, tier: 'reserve' | 'pool' | 'peer'): Claimed {
    const bytes = blocks * this.blockBytes;
    return {
      start: chunk,
      chunks: 0,
      blocks,
      firstBlock,
      scattered: undefined,
      reserveBytes: tier === 'reserve' ? bytes : 0,
      poolBytes: tier === 'pool' ? bytes : 0,
      peerBytes: tier === 'peer' ? bytes : 0,
    };
  }

  #claimed(
    start: number,
    chunks: number,
    firstBlock: number,
    blocks: number,
    scattered: Int32Array | undefined,
  ): Claimed {
    const { counts } = this.#claimer;
    const { chunkBytes } = this;
    return {
      start,
      chunks,
      blocks,
      firstBlock,
      scattered,
      reserveBytes: counts.reserve * chunkBytes,
      poolBytes: counts.pool * chunkBytes,
      peerBytes: counts.peer * chunkBytes,
    };
  }
}
