import type { ControlFile } from './contracts.ts';
import {
  BLOCK,
  blocksPerChunk,
  blockTable,
  type Geometry,
  LEDGER,
  STATE,
  sessionOf,
  stateOf,
  wordOf,
} from './layout.ts';
import { type OwnerWords, ownedBy } from './owner-table.ts';

/**
 * The chunks of one pair: who may do what with each. Every change of owner is one compare-and-swap, made by the party
 * that layout.ts names for that arrow; losing the race is an ordinary outcome.
 *
 * The ledger is an offer and a cache. The back end's private books decide which chunks a pair may speak of at all; a
 * front end that writes nonsense here can confuse nobody but itself.
 */
export class Ledger {
  readonly #words: Int32Array;
  readonly chunkCount: number;
  readonly chunkBytes: number;

  constructor(file: ControlFile, geometry: Geometry) {
    this.#words = file.words;
    this.chunkCount = geometry.chunkCount;
    this.chunkBytes = 2 ** geometry.chunkShift;
  }

  /** The word as it was a moment ago: a hint, to be confirmed by `move`. */
  peek(chunk: number): number {
    return this.#words[LEDGER + chunk] as number;
  }

  /** @returns whether the word was `from` and is now `to`. */
  move(chunk: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, LEDGER + chunk, from, to) === from;
  }

  /** For the party that owns the chunk and has nothing to lose a race against. */
  set(chunk: number, to: number): void {
    Atomics.store(this.#words, LEDGER + chunk, to);
  }

  /** How many chunks are in `state`; a snapshot that may be stale by the time it is returned. */
  count(state: number): number {
    let total = 0;
    const end = LEDGER + this.chunkCount;
    for (let at = LEDGER; at < end; at++) if (((this.#words[at] as number) & 0xf) === state) total++;
    return total;
  }

  /** Adds the number of chunks in each state to `counts[state]` (16 entries, cleared first). */
  countAll(counts: Int32Array): void {
    counts.fill(0);
    const end = LEDGER + this.chunkCount;
    for (let at = LEDGER; at < end; at++) {
      const state = (this.#words[at] as number) & 0xf;
      counts[state] = (counts[state] as number) + 1;
    }
  }

  /** First chunk at or after `from` in `state`, or -1. */
  find(state: number, from = 0): number {
    const end = LEDGER + this.chunkCount;
    for (let at = LEDGER + from; at < end; at++) if (((this.#words[at] as number) & 0xf) === state) return at - LEDGER;
    return -1;
  }
}

/** What a claim took, by the tier that it came from, in chunks. Reused by its owner from claim to claim. */
export interface ClaimCounts {
  reserve: number;
  pool: number;
  peer: number;
}

/** What the back end's books say, for those who claim: a word of the ledger is believed only about the domain's own. */
export interface Grants {
  readonly owners: OwnerWords;
  /** Number of the domain's pair. */
  readonly pair: number;
}

/** Whether a chunk is the domain's by the books; where they cannot be seen, the ledger alone is believed. */
export const isGranted = (grants: Grants | undefined, chunk: number): boolean =>
  grants === undefined || Atomics.load(grants.owners, chunk) === ownedBy(grants.pair);

/**
 * Claims whole chunks for one session by compare-and-swap, with nobody woken.
 *
 * Looks for neighbours first, starting where the last release left warm chunks: one run gives a lease that is contiguous
 * in the arena and needs no mapping. When no run is long enough, `claimSome` takes any chunks.
 */
export class Claimer {
  readonly #ledger: Ledger;
  readonly #session: number;
  readonly #leased: number;
  readonly #revocable: number;
  readonly #grants: Grants | undefined;
  #hint = 0;
  /** The words of what was last taken, as they were; by chunk. */
  readonly #before: Int32Array;
  readonly counts: ClaimCounts = { reserve: 0, pool: 0, peer: 0 };

  constructor(ledger: Ledger, session: number, grants?: Grants) {
    this.#ledger = ledger;
    this.#grants = grants;
    this.#session = session;
    this.#leased = wordOf(STATE.leased, session);
    this.#revocable = wordOf(STATE.leasedRevocable, session);
    this.#before = new Int32Array(ledger.chunkCount);
  }

  /** Where the next search starts: the first chunk of what was released last is the warmest. */
  hintAt(chunk: number): void {
    this.#hint = chunk;
  }

  /** Starts the next search `chunks` further on, going round. */
  skip(chunks: number): void {
    this.#hint = (this.#hint + chunks) % this.#ledger.chunkCount;
  }

  /** @returns the first chunk of `length` neighbours that are now leased, or -1 when there is no such run. */
  claimRun(length: number, revocable = false): number {
    const from = this.#hint < this.#ledger.chunkCount ? this.#hint : 0;
    if (this.#takeReserve(from, length, revocable)) return from;
    const found = this.#search(from, this.#ledger.chunkCount, length, revocable);
    return found >= 0 || from === 0
      ? found
      : this.#search(0, Math.min(this.#ledger.chunkCount, from + length - 1), length, revocable);
  }

  /**
   * Where the last lease lay there is mostly the same run again, all of it reserve: taken at first sight. To look first
   * would fetch each line of the ledger twice, from the other CPU's cache.
   */
  #takeReserve(start: number, length: number, revocable: boolean): boolean {
    if (start + length > this.#ledger.chunkCount) return false;
    const reserved = wordOf(STATE.reserved);
    const to = revocable ? this.#revocable : this.#leased;
    for (let chunk = start; chunk < start + length; chunk++) {
      if (this.#ledger.move(chunk, reserved, to)) {
        if (this.isGranted(chunk)) continue;
        this.#ledger.move(chunk, to, reserved);
      }
      for (let taken = start; taken < chunk; taken++) this.#ledger.move(taken, to, reserved);
      return false;
    }
    this.#clear();
    this.counts.reserve = length;
    return true;
  }

  #search(from: number, end: number, length: number, revocable: boolean): number {
    let start = from;
    let run = 0;
    for (let chunk = from; chunk < end; chunk++) {
      if (!this.#claimable(chunk, this.#ledger.peek(chunk))) {
        run = 0;
        start = chunk + 1;
        if (start + length > end) return -1;
        continue;
      }
      run++;
      if (run < length) continue;
      const lost = this.#take(start, length, revocable);
      if (lost < 0) {
        this.#hint = start;
        return start;
      }
      // Somebody was faster: nothing before `lost` is left to try.
      chunk = lost;
      start = lost + 1;
      run = 0;
    }
    return -1;
  }

  /** Takes `[start, start + length)` whole or not at all. @returns -1, or the chunk that was lost. */
  #take(start: number, length: number, revocable: boolean): number {
    this.#clear();
    const to = revocable ? this.#revocable : this.#leased;
    for (let chunk = start; chunk < start + length; chunk++) {
      const word = this.#ledger.peek(chunk);
      if (this.#claimable(chunk, word) && this.#ledger.move(chunk, word, to)) {
        this.#before[chunk] = word;
        this.#count(word, 1);
        continue;
      }
      for (let taken = start; taken < chunk; taken++) this.#putBack(taken, to);
      return chunk;
    }
    return -1;
  }

  /** Starts the account of a claim that is made of several `claimSome`. */
  begin(): void {
    this.#clear();
  }

  /**
   * Takes up to `most` chunks, wherever they are, and adds them to `into`.
   * @param released takes what was released and is not scrubbed yet: the caller zeroes it. Otherwise what is clean.
   * @returns how many it got.
   */
  claimSome(most: number, into: number[], released: boolean, revocable = false): number {
    const to = revocable ? this.#revocable : this.#leased;
    let taken = 0;
    for (let chunk = 0; chunk < this.#ledger.chunkCount && taken < most; chunk++) {
      const word = this.#ledger.peek(chunk);
      const wanted = released ? stateOf(word) === STATE.dirty && this.isGranted(chunk) : this.#claimable(chunk, word);
      if (!wanted || !this.#ledger.move(chunk, word, to)) continue;
      this.#count(word, 1);
      this.#before[chunk] = word;
      into.push(chunk);
      taken++;
    }
    return taken;
  }

  /** Undoes the claim of a chunk that is still zeroed. */
  giveBackClean(chunk: number): void {
    this.#putBack(chunk, this.#leased);
    this.#putBack(chunk, this.#revocable);
  }

  /** Makes what was promised to this session, and that it did not need, reserve of the whole domain. It is clean. */
  dropPromises(): void {
    const promised = wordOf(STATE.promised, this.#session);
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      if (this.#ledger.peek(chunk) === promised) this.#ledger.move(chunk, promised, wordOf(STATE.reserved));
    }
  }

  /**
   * Undoes a claim that was not whole: untouched, the chunk may go back as it was. A promise stays this session's; all
   * else becomes RESERVED, since a withdrawn offer must not come back to life as one: the front end gives it up again if
   * the domain holds too much.
   */
  #putBack(chunk: number, from: number): void {
    const before = this.#before[chunk]!;
    this.#ledger.move(chunk, from, stateOf(before) === STATE.promised ? before : wordOf(STATE.reserved));
  }

  /** Gives a chunk back; it is scrubbed before anybody gets it. */
  release(chunk: number): void {
    // Only this session may leave LEASED, so a failed move means that the lease was taken over after this session's end.
    if (this.#ledger.move(chunk, this.#leased, wordOf(STATE.dirty))) return;
    this.#ledger.move(chunk, this.#revocable, wordOf(STATE.dirty));
  }

  #claimable(chunk: number, word: number): boolean {
    const state = stateOf(word);
    if (
      state !== STATE.reserved &&
      state !== STATE.offered &&
      (state !== STATE.promised || sessionOf(word) !== this.#session)
    )
      return false;
    return this.isGranted(chunk);
  }

  /** Whether the books say that a chunk is the domain's. To be asked after its word, which becomes claimable last. */
  isGranted(chunk: number): boolean {
    return isGranted(this.#grants, chunk);
  }

  #clear(): void {
    this.counts.reserve = 0;
    this.counts.pool = 0;
    this.counts.peer = 0;
  }

  #count(word: number, by: number): void {
    const state = stateOf(word);
    if (state === STATE.reserved || state === STATE.dirty) this.counts.reserve += by;
    else if (state === STATE.offered) this.counts.pool += by;
    else this.counts.peer += by;
  }
}

/**
 * Blocks of chunks that are split among small leases. A block changes hands by compare-and-swap on its own 16-bit word,
 * so a session that dies in the middle leaves only words that carry its name.
 */
export class BlockTable {
  readonly #halfwords: Uint16Array;
  readonly #base: number;
  readonly perChunk: number;
  readonly blockBytes: number;

  constructor(file: ControlFile, geometry: Geometry) {
    this.#halfwords = file.halfwords;
    this.#base = blockTable(geometry);
    this.perChunk = blocksPerChunk(geometry);
    this.blockBytes = 2 ** geometry.blockShift;
  }

  peek(chunk: number, block: number): number {
    return this.#halfwords[this.#base + chunk * this.perChunk + block] as number;
  }

  move(chunk: number, block: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#halfwords, this.#base + chunk * this.perChunk + block, from, to) === from;
  }

  set(chunk: number, block: number, to: number): void {
    Atomics.store(this.#halfwords, this.#base + chunk * this.perChunk + block, to);
  }

  /** Takes `length` neighbouring free blocks of one split chunk. @returns the first block, or -1. */
  claimRun(chunk: number, length: number, session: number): number {
    const mine = BLOCK.sessionBase + session;
    let start = 0;
    for (let block = 0; block < this.perChunk; block++) {
      if (this.peek(chunk, block) !== BLOCK.free) {
        start = block + 1;
        continue;
      }
      if (block - start + 1 < length) continue;
      let lost = -1;
      for (let at = start; at <= block && lost < 0; at++) if (!this.move(chunk, at, BLOCK.free, mine)) lost = at;
      if (lost < 0) return start;
      for (let at = start; at < lost; at++) this.move(chunk, at, mine, BLOCK.free);
      block = lost;
      start = lost + 1;
    }
    return -1;
  }

  /** Takes up to `most` blocks of one split chunk that are in state `from`, and adds them to `into`. @returns how many. */
  claimSome(chunk: number, most: number, session: number, from: number, into: number[]): number {
    const mine = BLOCK.sessionBase + session;
    let taken = 0;
    for (let block = 0; block < this.perChunk && taken < most; block++) {
      if (this.peek(chunk, block) !== from || !this.move(chunk, block, from, mine)) continue;
      into.push(chunk * this.perChunk + block);
      taken++;
    }
    return taken;
  }

  /** Whether no session holds a block of this split chunk, as its words say now; the front end may be scrubbing some. */
  isIdle(chunk: number): boolean {
    for (let block = 0; block < this.perChunk; block++) {
      if (this.peek(chunk, block) > BLOCK.scrubbing) return false;
    }
    return true;
  }

  release(chunk: number, block: number, session: number): void {
    this.move(chunk, block, BLOCK.sessionBase + session, BLOCK.dirty);
  }
}
