import type { Clock } from '../clock.ts';
import {
  ENTRY_WORDS,
  GIVEN,
  OP,
  SESSION,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  stateOf,
  wordOf,
} from '../control/layout.ts';
import type { BlockTable, Ledger } from '../control/ledger.ts';
import type { RingProducer } from '../control/ring.ts';
import type { AnswerMemory } from './answer-memory.ts';
import type { ChunkBooks } from './chunk-books.ts';
import { enter, leave, withdrawFromOthers, withdrawPromises } from './chunk-offers.ts';
import type { Donors } from './donors.ts';
import type { FreeScrubber } from './free-scrubber.ts';
import type { LedgerCensus } from './ledger-census.ts';
import type { PairLimits } from './pair-limits.ts';
import { RequestTable } from './request-table.ts';

/** What the server of requests needs of a pair. */
export interface ServedPair {
  readonly words: Int32Array;
  readonly ledger: Ledger;
  readonly blocks: BlockTable;
  readonly toFront: RingProducer;
  readonly limits: PairLimits;
  readonly answers: AnswerMemory;
}

/** Instead of the number of a pair. */
const ALL_PAIRS = -1;

/** Running figures of the requests. */
export interface RequestStats {
  requests: number;
  served: number;
  refused: number;
  revocations: number;
  donorMisses: number;
}

/**
 * Serves the requests that come to the back end: from free memory, from what is offered to others, then from donors. A
 * request that fails leaves nothing behind. Part of the fast plane: it allocates nothing and never waits.
 */
export class RequestServer {
  readonly #books: ChunkBooks;
  readonly #pairs: ReadonlyArray<ServedPair | undefined>;
  readonly #donors: Donors;
  readonly #census: LedgerCensus;
  readonly #scrubber: FreeScrubber;
  readonly #effects: { readonly clock: Clock; ringFront(pair: number): void };
  readonly #stats: RequestStats;
  readonly #memoryIsFree: () => void;
  readonly #table = new RequestTable();
  /** A request of the slow link, in the form of the ring's. */
  readonly #overLink = new Int32Array(ENTRY_WORDS);

  /** @param parts.memoryIsFree called when memory that was promised is free again. */
  constructor(parts: {
    readonly books: ChunkBooks;
    readonly pairs: ReadonlyArray<ServedPair | undefined>;
    readonly donors: Donors;
    readonly census: LedgerCensus;
    readonly scrubber: FreeScrubber;
    readonly effects: { readonly clock: Clock; ringFront(pair: number): void };
    readonly stats: RequestStats;
    readonly memoryIsFree: () => void;
  }) {
    this.#books = parts.books;
    this.#pairs = parts.pairs;
    this.#donors = parts.donors;
    this.#census = parts.census;
    this.#scrubber = parts.scrubber;
    this.#effects = parts.effects;
    this.#stats = parts.stats;
    this.#memoryIsFree = parts.memoryIsFree;
  }

  /** Requests that wait. */
  get count(): number {
    return this.#table.count;
  }

  /** Ends all requests of a pair, unanswered. */
  dropPair(id: number): void {
    for (let slot = 0; slot < this.#table.capacity; slot++) {
      if (this.#table.active[slot] === 0 || this.#table.pair[slot] !== id) continue;
      this.#takePromisesBack(slot);
      this.#table.remove(slot);
    }
  }

  /** A chunk has come back from a pair and is free: straight to whoever waits. */
  returned(id: number, chunk: number): void {
    this.#donors.noteReturned(id);
    const slot = this.#table.oldestMissing();
    if (slot < 0) return;
    this.#scrubber.whole(chunk);
    this.#promise(slot, chunk);
  }

  /**
   * Takes up a request: gives what is free, and asks donors for the rest. The answer comes at once or by `moveOn`.
   * @param entry of the pair's ring: `OP.need` in the name of a session.
   * @returns false when it is none that an honest front end makes.
   */
  start(id: number, entry: Int32Array): boolean {
    const pair = this.#pairs[id]!;
    const requestId = entry[1]!;
    const session = entry[2]!;
    const chunks = entry[3]!;
    if (session < 1 || session >= SESSION_SLOTS || chunks < 1 || chunks > this.#books.chunkCount) {
      return false;
    }
    if (!isAsked(pair, session, requestId)) return true;
    if (pair.answers.tellAgain(requestId, session)) {
      this.#effects.ringFront(id);
      return true;
    }
    const former = this.#table.find(id, session);
    if (former >= 0) {
      if (this.#table.id[former] === requestId) return true; // told twice
      // An application has one request at a time: it has given this one up.
      this.#takePromisesBack(former);
      this.#table.remove(former);
    }
    this.#stats.requests++;
    if (chunks > this.headroom(id)) this.#takeReturning(id); // what it has just given back is still counted as its own
    if (chunks > this.headroom(id)) {
      this.#answer(id, requestId, session, 0, GIVEN.ceiling, 0, 0);
      return true;
    }
    const now = this.#effects.clock.monotonicMicros();
    const deadlineMicros = now + Math.max(0, entry[4]!);
    const slot = this.#table.add(id, session, requestId, chunks, now, deadlineMicros);
    if (slot < 0) {
      this.#answer(id, requestId, session, 0, GIVEN.empty, 0, 0);
      return true;
    }
    this.#giveWhatIsFree(slot);
    if (this.#table.missing(slot) > 0) this.#askDonors(slot, now);
    this.#table.decidedMicros[slot] = this.#effects.clock.monotonicMicros() - now;
    this.#finishIfDone(slot, now);
    return true;
  }

  /** As `start`, for a request that came over the slow link; the answer goes back on both ways. */
  startOverLink(id: number, requestId: number, session: number, chunks: number, deadlineMicros: number): boolean {
    this.#pairs[id]!.answers.expectOverLink(session);
    this.#overLink.set([OP.need, requestId, session, chunks, deadlineMicros]);
    return this.start(id, this.#overLink);
  }

  /** Chunks that a domain may still get, beside what is on its way to it. */
  headroom(id: number): number {
    return this.#pairs[id]!.limits.ceilingChunks - this.#books.heldBy(id) - this.#table.missingOf(id);
  }

  /**
   * Chunks that may be taken from a domain before it stands at its floor. What it has been asked for is as good as gone,
   * and promises are not its own before their request is answered.
   */
  readonly spareOf = (id: number): number =>
    this.#books.heldBy(id) -
    this.#table.gotOf(id) -
    this.#donors.owedBy(id) -
    (this.#pairs[id]?.limits.floorChunks ?? 0);

  /** Gives a request what needs nobody's consent: free chunks, those on their way back, and unclaimed offers to others. */
  #giveWhatIsFree(slot: number): void {
    this.#giveFree(slot);
    if (this.#table.missing(slot) === 0) return;
    this.#takeReturning(ALL_PAIRS);
    const id = this.#table.pair[slot]!;
    const missing = this.#table.missing(slot);
    if (withdrawFromOthers(this.#books, this.#pairs, id, missing, this.spareOf) > 0) this.#giveFree(slot);
  }

  /** Takes what front ends have handed over, although they have not told of it yet. */
  #takeReturning(only: number): void {
    for (let chunk = 0; chunk < this.#books.chunkCount; chunk++) {
      const id = this.#books.ownerOf(chunk);
      const ledger = id < 0 || (id !== only && only !== ALL_PAIRS) ? undefined : this.#pairs[id]?.ledger;
      if (!ledger || stateOf(ledger.peek(chunk)) !== STATE.returning) continue;
      leave(this.#books, ledger, chunk, false);
      this.returned(id, chunk);
    }
  }

  /** Promises free chunks to a request, neighbours where there are any, scrubbing what is not clean. */
  #giveFree(slot: number): void {
    while (this.#table.missing(slot) > 0) {
      let chunk = this.#books.nextFree(this.#table.missing(slot));
      if (chunk < 0) return;
      if (!this.#books.isClean(chunk)) this.#scrubber.whole(chunk);
      do this.#promise(slot, chunk++);
      while (this.#table.missing(slot) > 0 && this.#books.isFree(chunk) && this.#books.isClean(chunk));
    }
  }

  #promise(slot: number, chunk: number): void {
    const id = this.#table.pair[slot]!;
    const word = wordOf(STATE.promised, this.#table.session[slot]!);
    enter(this.#books, this.#pairs[id]!.ledger, chunk, id, word);
    this.#table.noteGot(slot);
  }

  #askDonors(slot: number, now: number): void {
    const donors = this.#donors;
    const requests = this.#table;
    this.#stats.donorMisses += donors.noteMisses(now); // whoever has let a deadline pass is not asked before it is noticed
    donors.look(this.#census, this.spareOf);
    const missing = requests.missing(slot);
    // Donors may owe more than the others wait for.
    const spare = Math.min(missing, Math.max(0, donors.comingChunks - (requests.missingOfAll() - missing)));
    if (donors.choose(requests.pair[slot]!, missing - spare, now) < missing - spare) return; // disturb nobody in vain
    requests.awaited[slot] = spare;
    const budgetMicros = Math.max(0, requests.deadlineMicros[slot]! - now);
    for (let id = 0; id < donors.count; id++) {
      const chunks = donors.shareOf(id);
      if (chunks <= 0 || !this.#pairs[id]!.toFront.push(OP.revoke, 0, chunks, budgetMicros)) continue;
      this.#stats.revocations++;
      donors.noteAsked(id, chunks, now + budgetMicros);
      requests.awaited[slot] = requests.awaited[slot]! + chunks;
      this.#effects.ringFront(id);
    }
  }

  /** Answers those whose memory has come, and those whose time is over. */
  moveOn(): void {
    const now = this.#effects.clock.monotonicMicros();
    const missed = this.#donors.noteMisses(now);
    this.#stats.donorMisses += missed;
    for (let slot = 0; slot < this.#table.capacity; slot++) {
      if (this.#table.active[slot] === 0) continue;
      // What one donor has not given, another may have.
      const waits = this.#table.missing(slot) > 0 && now <= this.#table.deadlineMicros[slot]!;
      if (missed > 0 && waits) this.#askDonors(slot, now);
      this.#finishIfDone(slot, now);
    }
    // What has become free meanwhile, a failed request's promises say, goes to those who still wait.
    while (this.#books.freeChunks > 0) {
      const slot = this.#table.oldestMissing();
      if (slot < 0) return;
      this.#giveFree(slot);
      this.#finishIfDone(slot, now);
    }
  }

  #finishIfDone(slot: number, now: number): void {
    const requests = this.#table;
    const id = requests.pair[slot]!;
    const session = requests.session[slot]!;
    if (!isAsked(this.#pairs[id]!, session, requests.id[slot]!)) {
      this.#takePromisesBack(slot);
      requests.remove(slot);
      return;
    }
    const overdue = now > requests.deadlineMicros[slot]!;
    if (overdue && requests.missing(slot) > 0) this.#giveWhatIsFree(slot);
    const missing = requests.missing(slot);
    const hopeless = missing > 0 && requests.awaited[slot] === 0;
    if (missing > 0 && !hopeless && !overdue) return;
    const status = missing === 0 ? GIVEN.ok : hopeless ? GIVEN.empty : GIVEN.deadline;
    if (missing > 0) this.#takePromisesBack(slot);
    const elapsed = this.#effects.clock.monotonicMicros() - requests.startMicros[slot]!;
    const decided = requests.decidedMicros[slot]!;
    const release = requests.awaited[slot]! > 0 ? Math.max(0, elapsed - decided) : 0;
    const got = missing === 0 ? requests.got[slot]! : 0;
    const told = this.#answer(id, requests.id[slot]!, session, got, status, decided, release);
    if (!told && missing === 0) this.#takePromisesBack(slot);
    requests.remove(slot);
  }

  /**
   * A request that fails leaves nothing behind: what was promised goes back to the pool, still clean. What the session
   * was promised before, and has yet to claim, stays: it counts upon that.
   */
  #takePromisesBack(slot: number): void {
    const { pair, session, got } = this.#table;
    const id = pair[slot]!;
    withdrawPromises(this.#books, this.#pairs[id]!.ledger, id, session[slot]!, got[slot]!);
    this.#memoryIsFree();
  }

  /** @returns whether the front end can hear of it: not if it has stopped reading its ring. */
  #answer(id: number, seq: number, session: number, chunks: number, status: number, d: number, r: number): boolean {
    const told = this.#pairs[id]!.answers.tell(seq, session, chunks, status, d, r);
    if (told && status === GIVEN.ok) this.#stats.served++;
    else this.#stats.refused++;
    this.#effects.ringFront(id);
    return told;
  }
}

/** Whether the application still asks this: it may have given up, or have found the memory in another way. */
function isAsked(pair: ServedPair, session: number, requestId: number): boolean {
  return requestId === Atomics.load(pair.words, SESSIONS + session * SESSION_WORDS + SESSION.requestSeq);
}
