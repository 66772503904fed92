import type { ControlFile } from '../../control/contracts.ts';
import {
  BACK,
  BLOCK,
  FRONT,
  type Geometry,
  SESSION,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  stateOf,
} from '../../control/layout.ts';
import { BlockTable, Claimer, type Grants, Ledger } from '../../control/ledger.ts';
import type { Claimed, Extent, LeaseHolder, ScatteredPieces } from '../contracts.ts';
import type { ScrubbedMemory } from './chunk-keeper.ts';
import { extentsOf } from './extents.ts';
import { IdleMemory } from './idle-memory.ts';
import { PieceClaimer, splitChunk } from './piece-claimer.ts';

/**
 * Claims and releases memory for one session, in chunks and, below a chunk, in blocks: a lease of 64 KiB costs 64 KiB.
 * Nobody is woken and nobody is asked: every step is a compare-and-swap on the pair's ledger.
 *
 * Neighbours are looked for first: that is fast and needs no mapping. Where there are too few, any pieces will do, down
 * to single blocks and to memory that is not scrubbed yet: a claim fails only when the domain has too little that nobody
 * holds (src/decisions/0011).
 */
export class ChunkSpace implements LeaseHolder {
  readonly chunkBytes: number;
  readonly #words: Int32Array;
  readonly #ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #claimer: Claimer;
  readonly #pieces: PieceClaimer;
  readonly #idle: IdleMemory;
  readonly #session: number;
  readonly #slackWord: number;
  #splitHint = 0;

  /**
   * @param grants see `Claimer`.
   * @param memory for zeroing what is not scrubbed yet; without it, that comes to nobody before the front end did it.
   */
  constructor(file: ControlFile, geometry: Geometry, session: number, grants?: Grants, memory?: ScrubbedMemory) {
    this.#words = file.words;
    this.#ledger = new Ledger(file, geometry);
    this.#blocks = new BlockTable(file, geometry);
    this.#claimer = new Claimer(this.#ledger, session, grants);
    this.#pieces = new PieceClaimer(this.#ledger, this.#blocks, this.#claimer, session, memory);
    this.#idle = new IdleMemory(this.#ledger, this.#blocks, grants);
    this.#session = session;
    this.#slackWord = SESSIONS + session * SESSION_WORDS + SESSION.slackKib;
    this.chunkBytes = this.#ledger.chunkBytes;
  }

  get blockBytes(): number {
    return this.#blocks.blockBytes;
  }

  /** Chunks that a request for `bytes` may need at most: what the back end is asked for. */
  chunksFor(bytes: number): number {
    return Math.ceil(bytes / this.chunkBytes);
  }

  /** Bytes in clean whole chunks: what could be claimed now without zeroing or gathering anything. */
  claimableBytes(): number {
    return (this.#ledger.count(STATE.reserved) + this.#ledger.count(STATE.offered)) * this.chunkBytes;
  }

  missingChunks(bytes: number, revocable: boolean): number {
    const idle = this.#idle;
    idle.look(this.#session);
    const chunks = idle.cleanChunks + idle.releasedChunks + idle.scrubbingChunks;
    if (revocable) return Math.max(0, this.chunksFor(bytes) - chunks - idle.idleSplitChunks);
    const blocks = Math.ceil(bytes / this.blockBytes) - idle.idleBlocks;
    return Math.max(0, Math.ceil(blocks / this.#blocks.perChunk) - chunks);
  }

  dropPromises(): void {
    this.#claimer.dropPromises();
  }

  /** Where a claim lies in the arena. */
  extentsOf(claimed: Claimed): Extent[] {
    return extentsOf(claimed, this.chunkBytes, this.blockBytes);
  }

  /** See `Connection.placeNext`. */
  placeNext(where: 'same' | 'next', bytes: number): void {
    if (where === 'next') this.#claimer.skip(this.chunksFor(bytes));
  }

  claim(bytes: number, revocable: boolean, contiguous = false): Claimed | undefined {
    const { perChunk } = this.#blocks;
    const chunks = Math.ceil(bytes / this.chunkBytes);
    // A revocable lease takes whole chunks, because whole chunks are what can be handed on.
    const blocks = revocable ? chunks * perChunk : Math.ceil(bytes / this.blockBytes);
    const claimed =
      blocks < perChunk
        ? this.#claimBlocks(bytes, blocks)
        : this.#claimChunks(bytes, chunks, blocks % perChunk, revocable);
    return this.#account(claimed ?? (contiguous ? undefined : this.#claimPieces(bytes, blocks, revocable)));
  }

  /** Gives everything back and tells where warm memory is to be found next time. */
  release(claimed: Claimed): void {
    const { start, chunks, blocks, firstBlock, scattered } = claimed;
    Atomics.sub(this.#words, this.#slackWord, claimed.slackBytes >>> 10);
    if (scattered) {
      for (const chunk of scattered.chunks) this.#claimer.release(chunk);
      for (const block of scattered.blocks) this.#releaseBlock(block);
      return;
    }
    for (let chunk = start; chunk < start + chunks; chunk++) this.#claimer.release(chunk);
    for (let block = firstBlock; block < firstBlock + blocks; block++) {
      this.#blocks.release(start + chunks, block, this.#session);
    }
    if (chunks > 0) this.#claimer.hintAt(start);
  }

  #releaseBlock(block: number): void {
    const { perChunk } = this.#blocks;
    this.#blocks.release(Math.floor(block / perChunk), block % perChunk, this.#session);
  }

  #account(claimed: Claimed | undefined): Claimed | undefined {
    if (claimed) Atomics.add(this.#words, this.#slackWord, claimed.slackBytes >>> 10);
    return claimed;
  }

  /** A run of whole chunks; of the last one only `tail` blocks, unless that is 0. */
  #claimChunks(bytes: number, chunks: number, tail: number, revocable: boolean): Claimed | undefined {
    const start = this.#claimer.claimRun(chunks, revocable);
    if (start < 0) return undefined;
    if (tail === 0) return this.#claimed(bytes, start, chunks, 0);
    splitChunk(this.#ledger, this.#blocks, start + chunks - 1, this.#session, tail, BLOCK.free);
    return this.#claimed(bytes, start, chunks - 1, tail);
  }

  #claimBlocks(bytes: number, blocks: number): Claimed | undefined {
    const count = this.#ledger.chunkCount;
    for (let step = 0; step < count; step++) {
      const chunk = (this.#splitHint + step) % count;
      if (stateOf(this.#ledger.peek(chunk)) !== STATE.split || !this.#claimer.isGranted(chunk)) continue;
      const block = this.#blocks.claimRun(chunk, blocks, this.#session);
      if (block < 0) continue;
      // The front end may have begun to merge the chunk before the blocks were taken; it then finds them taken.
      this.#splitHint = chunk;
      return this.#claimedBlocks(bytes, chunk, block, blocks, 'reserve');
    }
    const chunk = this.#claimer.claimRun(1);
    if (chunk < 0) return undefined;
    const { counts } = this.#claimer;
    const tier = counts.reserve > 0 ? 'reserve' : counts.pool > 0 ? 'pool' : 'peer';
    splitChunk(this.#ledger, this.#blocks, chunk, this.#session, blocks, BLOCK.free);
    this.#splitHint = chunk;
    return this.#claimedBlocks(bytes, chunk, 0, blocks, tier);
  }

  #claimPieces(bytes: number, blocks: number, revocable: boolean): Claimed | undefined {
    this.#idle.look(this.#session);
    // In split mode what is released belongs to the back end, and to whoever waits there while the domain owes memory.
    const releasedChunks =
      Atomics.load(this.#words, BACK.mode) === 0 && Atomics.load(this.#words, FRONT.owedChunks) <= 0;
    const pieces = this.#pieces.take(blocks, revocable, releasedChunks, this.#idle);
    return pieces && this.#claimedPieces(bytes, blocks, pieces);
  }

  #claimedBlocks(
    bytes: number,
    chunk: number,
    firstBlock: number,
    blocks: number,
    tier: 'reserve' | 'pool' | 'peer',
  ): Claimed {
    const held = blocks * this.blockBytes;
    return {
      start: chunk,
      chunks: 0,
      blocks,
      firstBlock,
      scattered: undefined,
      slackBytes: held - bytes,
      reserveBytes: tier === 'reserve' ? held : 0,
      poolBytes: tier === 'pool' ? held : 0,
      peerBytes: tier === 'peer' ? held : 0,
    };
  }

  #claimed(bytes: number, start: number, chunks: number, blocks: number): Claimed {
    const { counts } = this.#claimer;
    const { chunkBytes } = this;
    return {
      start,
      chunks,
      blocks,
      firstBlock: 0,
      scattered: undefined,
      slackBytes: chunks * chunkBytes + blocks * this.blockBytes - bytes,
      reserveBytes: counts.reserve * chunkBytes,
      poolBytes: counts.pool * chunkBytes,
      peerBytes: counts.peer * chunkBytes,
    };
  }

  /** Pieces that turn out to be neighbours need no mapping either. */
  #claimedPieces(bytes: number, blocks: number, pieces: ScatteredPieces): Claimed {
    const { counts } = this.#claimer;
    const { chunkBytes, blockBytes } = this;
    const poolBytes = counts.pool * chunkBytes;
    const peerBytes = counts.peer * chunkBytes;
    const scattered: Claimed = {
      start: -1,
      chunks: pieces.chunks.length,
      blocks: pieces.blocks.length,
      firstBlock: 0,
      scattered: pieces,
      slackBytes: blocks * blockBytes - bytes,
      reserveBytes: Math.max(0, blocks * blockBytes - poolBytes - peerBytes),
      poolBytes,
      peerBytes,
    };
    const extents = this.extentsOf(scattered);
    if (extents.length > 1) return scattered;
    const { offset } = extents[0]!;
    const start = Math.floor(offset / chunkBytes);
    return { ...scattered, start, firstBlock: (offset % chunkBytes) / blockBytes, scattered: undefined };
  }
}
