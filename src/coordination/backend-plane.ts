import type { Clock } from '../clock.ts';
import type { ControlFile } from '../control/contracts.ts';
import {
  BACK,
  BACK_TO_FRONT,
  FRONT_TO_BACK,
  type Geometry,
  GIVEN,
  OP,
  RING_ENTRIES,
  SESSION,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  sessionOf,
  stateOf,
  wordOf,
} from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../control/ring.ts';
import type { ScrubbedMemory } from '../platforms/arena/chunk-keeper.ts';
import { AnswerMemory } from './answer-memory.ts';
import { ChunkBooks } from './chunk-books.ts';
import { enter, leave, offerFree, withdrawFromOthers, withdrawOffers, withdrawPromises } from './chunk-offers.ts';
import { Donors } from './donors.ts';
import { FreeScrubber } from './free-scrubber.ts';
import { IDLE_WAIT_MILLIS, SCRUB_SLICE_BYTES } from './frontend-plane.ts';
import { LedgerCensus } from './ledger-census.ts';
import { RequestTable } from './request-table.ts';
import { MAX_PAIRS } from './sources.ts';

/** What the plane does to the outside. */
export interface BackendEffects extends ScrubbedMemory {
  readonly clock: Clock;
  /** Rings the front end's bell of a pair. */
  ringFront(pair: number): void;
  /** The other half of `OP.ping`: a bare futex ping-pong of `count` rounds on the pair's ping word. */
  pingPong?(pair: number, count: number): void;
}

/** What the slow plane decides about a domain; the fast plane only obeys. In chunks. */
export interface PairLimits {
  floorChunks: number;
  ceilingChunks: number;
  /** Free chunks that are kept offered to the domain, ahead of need. */
  offerChunks: number;
}

interface Pair {
  readonly words: Int32Array;
  readonly ledger: Ledger;
  readonly toFront: RingProducer;
  readonly fromFront: RingConsumer;
  readonly limits: PairLimits;
  readonly answers: AnswerMemory;
  /** The front end has asked for offers and has not been told of any since. */
  refillAsked: boolean;
  /** Chunks that are the pair's by the books and that its ledger does not speak of, when last looked. */
  unaccounted: number;
  /** What this pair wrote that no honest front end writes. */
  violations: number;
  /** After a violation the pair is served on the beat only, until one has passed. */
  heldOff: boolean;
}

/** While a request waits for donors, its deadline is looked at this often. */
const DEADLINE_LOOK_MILLIS = 2;

/** Instead of the number of a pair. */
const EVERYBODY = -1;

/** Beats in which every ledger is audited once. */
const AUDIT_BEATS = 10;

/** Rounds of the longest bare ping-pong: nobody else is served meanwhile. */
const MAX_PINGS = 1000;

/**
 * The back half of the split driver, in the control domain: owns the arena's books and serves every pair. `poll` serves
 * whoever rang, moves waiting requests on, then does one slice of background work: scrubbing what came back and topping
 * up offers. It allocates nothing, logs nothing and never waits.
 *
 * The books (`ChunkBooks`) are private. A pair's ledger is believed only about chunks that the books have given to that
 * pair; identity is the control file that a message came through, never what the message says.
 */
export class BackendPlane {
  readonly books: ChunkBooks;
  readonly #effects: BackendEffects;
  readonly #pairs: (Pair | undefined)[] = [];
  readonly #requests = new RequestTable();
  readonly #donors = new Donors();
  readonly #census: LedgerCensus;
  readonly #scrubber: FreeScrubber;
  readonly #unaccounted = new Int32Array(MAX_PAIRS);
  /** The pair whose ledger is next to be searched for words about chunks of others. */
  #auditNext = 0;
  #splitMode = false;
  #topUp = true;

  readonly stats = {
    requests: 0,
    served: 0,
    refused: 0,
    revocations: 0,
    donorMisses: 0,
    violations: 0,
    offeredChunks: 0,
    scrubbedBytes: 0,
  };

  /** @param books those of a predecessor that was killed, to be taken up; its pairs follow by `addPair`. */
  constructor(geometry: Geometry, effects: BackendEffects, books = new ChunkBooks(geometry.chunkCount)) {
    this.books = books;
    this.#census = new LedgerCensus(this.books, this.#pairs);
    this.#effects = effects;
    this.#scrubber = new FreeScrubber(this.books, effects, 2 ** geometry.chunkShift);
  }

  /** @param stuckBackoffMicros how long a donor is left alone after its first missed deadline. */
  setMode(split: boolean, stuckBackoffMicros: number): void {
    this.#splitMode = split;
    this.#donors.backoffMicros = stuckBackoffMicros;
    for (const pair of this.#pairs) if (pair) Atomics.store(pair.words, BACK.mode, split ? 1 : 0);
    this.#topUp = true;
  }

  /** Adds a pair; what a predecessor has left in it is taken up. */
  addPair(id: number, file: ControlFile, geometry: Geometry, limits: PairLimits): void {
    const pair: Pair = {
      words: file.words,
      ledger: new Ledger(file, geometry),
      toFront: new RingProducer(file.words, BACK_TO_FRONT),
      fromFront: new RingConsumer(file.words, FRONT_TO_BACK),
      limits: { ...limits },
      answers: new AnswerMemory(),
      refillAsked: false,
      unaccounted: 0,
      violations: 0,
      heldOff: false,
    };
    this.#pairs[id] = pair;
    this.#donors.add(id);
    this.#takeUp(id, pair);
    Atomics.add(file.words, BACK.incarnation, 1);
    Atomics.store(file.words, BACK.mode, this.#splitMode ? 1 : 0);
    this.setLimits(id, limits);
    this.#effects.ringFront(id);
  }

  /** What a pair has written that no honest front end writes, since it was added. */
  violationsOf(id: number): number {
    return this.#pairs[id]?.violations ?? 0;
  }

  /**
   * Ends what a predecessor has left half done. A request that it had not answered comes anew, so that what was promised
   * for it goes back; what is RETURNING is collected as ever.
   */
  #takeUp(id: number, pair: Pair): void {
    const { ledger, words } = pair;
    for (let chunk = 0; chunk < this.books.chunkCount; chunk++) {
      const word = ledger.peek(chunk);
      if (this.books.ownerOf(chunk) !== id) {
        if (word !== 0) ledger.set(chunk, wordOf(STATE.none));
        continue;
      }
      const session = sessionOf(word);
      if (stateOf(word) !== STATE.promised || session >= SESSION_SLOTS) continue;
      const at = SESSIONS + session * SESSION_WORDS;
      if (Atomics.load(words, at + SESSION.requestSeq) === Atomics.load(words, at + SESSION.responseSeq)) continue;
      if (ledger.move(chunk, word, wordOf(STATE.returning))) leave(this.books, ledger, chunk, false);
    }
    this.#collect(id);
  }

  setLimits(id: number, limits: PairLimits): void {
    const pair = this.#pairs[id];
    if (!pair) return;
    Object.assign(pair.limits, limits);
    Atomics.store(pair.words, BACK.floorChunks, limits.floorChunks);
    Atomics.store(pair.words, BACK.ceilingChunks, limits.ceilingChunks);
    this.#topUp = true;
  }

  /** Sets whether a domain is under pressure itself: it is then asked last. */
  setPressured(id: number, pressured: boolean): void {
    this.#donors.setPressured(id, pressured);
  }

  /** One pass. @returns for how long the caller may sleep, in milliseconds, unless somebody rings. */
  poll(pending: Int32Array): number {
    for (let word = 0; word < pending.length; word++) {
      let bits = pending[word] as number;
      pending[word] = 0; // every bit: one that stayed would keep the caller awake
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const id = word * 32 + bit;
        const pair = this.#pairs[id];
        if (pair && !pair.heldOff) this.#servePair(id, pair);
      }
    }
    if (this.#requests.count > 0) this.#moveRequestsOn();
    if (this.#backgroundSlice()) return 0;
    return this.#requests.count > 0 ? DEADLINE_LOOK_MILLIS : IDLE_WAIT_MILLIS;
  }

  /** What is due a few times a second although nobody rang: the heartbeat, and a look for rings that were lost. */
  beat(): void {
    for (let id = 0; id < this.#donors.count; id++) {
      const pair = this.#pairs[id];
      if (!pair) continue;
      Atomics.add(pair.words, BACK.heartbeat, 1);
      pair.heldOff = false;
      const producerIntact = pair.toFront.heal();
      if (!pair.fromFront.heal() || !producerIntact) this.#violated(id, pair);
      this.#servePair(id, pair);
    }
    this.#collect(EVERYBODY);
    this.#audit();
    this.#moveRequestsOn();
    this.#topUp = true;
  }

  #servePair(id: number, pair: Pair): void {
    const { entry } = pair.fromFront;
    let returned = false;
    // What comes while this goes on is rung for again; a peer that never stops must not keep the others waiting.
    for (let served = 0; served < RING_ENTRIES; served++) {
      const popped = pair.fromFront.pop();
      if (popped === POPPED.nothing) break;
      if (popped === POPPED.violation) {
        this.#violated(id, pair);
        break;
      }
      switch (entry[0]) {
        case OP.need:
          this.#startRequest(id, pair, entry);
          break;
        case OP.returned:
          returned = true;
          break;
        case OP.noop:
          if (pair.toFront.push(OP.noopReply, entry[1]!)) this.#effects.ringFront(id);
          break;
        case OP.noopReply:
          break;
        case OP.ping:
          this.#effects.pingPong?.(id, Math.min(Math.max(0, entry[2]!), MAX_PINGS));
          break;
        default:
          this.#violated(id, pair);
          return;
      }
    }
    if (returned) this.#collect(id);
  }

  /**
   * A pair has written what no honest front end writes: the link is dropped and made anew. What lies in its ring is
   * passed over, its requests end, and a front end that sees the new incarnation asks again. Its memory stays its own.
   */
  #violated(id: number, pair: Pair): void {
    this.stats.violations++;
    pair.violations++;
    if (pair.heldOff) return;
    pair.heldOff = true;
    pair.refillAsked = false;
    pair.fromFront.resync();
    for (let slot = 0; slot < this.#requests.capacity; slot++) {
      if (this.#requests.active[slot] === 0 || this.#requests.pair[slot] !== id) continue;
      this.#takePromisesBack(id, this.#requests.session[slot]!);
      this.#requests.remove(slot);
    }
    Atomics.add(pair.words, BACK.incarnation, 1);
    this.#effects.ringFront(id);
  }

  #startRequest(id: number, pair: Pair, entry: Int32Array): void {
    const requestId = entry[1]!;
    const session = entry[2]!;
    const chunks = entry[3]!;
    if (session < 0 || session >= SESSION_SLOTS || chunks < 1 || chunks > this.books.chunkCount) {
      this.#violated(id, pair);
      return;
    }
    if (session === 0) {
      // A refill, in the background; answered when there is something to offer.
      pair.refillAsked = true;
      this.#topUp = true;
      return;
    }
    if (pair.answers.tellAgain(pair.toFront, requestId, session)) {
      this.#effects.ringFront(id);
      return;
    }
    const former = this.#requests.find(id, session);
    if (former >= 0) {
      if (this.#requests.id[former] === requestId) return; // told twice, by a front end that has restarted
      // An application has one request at a time: it has given this one up.
      this.#takePromisesBack(id, session);
      this.#requests.remove(former);
    }
    this.stats.requests++;
    if (chunks > this.#headroom(id, pair)) {
      this.#answer(id, requestId, session, 0, GIVEN.ceiling, 0, 0);
      return;
    }
    const now = this.#effects.clock.monotonicMicros();
    const deadlineMicros = now + Math.max(0, entry[4]!);
    const slot = this.#requests.add(id, session, requestId, chunks, now, deadlineMicros);
    if (slot < 0) {
      this.#answer(id, requestId, session, 0, GIVEN.empty, 0, 0);
      return;
    }
    this.#giveFree(slot);
    // What is offered to others and claimed by nobody needs no consent.
    if (withdrawFromOthers(this.books, this.#pairs, id, this.#requests.missing(slot)) > 0) this.#giveFree(slot);
    if (this.#requests.missing(slot) > 0) this.#askDonors(slot, now);
    this.#requests.decidedMicros[slot] = this.#effects.clock.monotonicMicros() - now;
    this.#finishIfDone(slot, now);
  }

  /** Chunks that a domain may still get, beside what is on its way to it. */
  #headroom(id: number, pair: Pair): number {
    return pair.limits.ceilingChunks - this.books.heldBy(id) - this.#requests.missingOf(id);
  }

  /** Promises free chunks to a request, neighbours where there are any, scrubbing what is not clean. */
  #giveFree(slot: number): void {
    while (this.#requests.missing(slot) > 0) {
      let chunk = this.books.nextFree(this.#requests.missing(slot));
      if (chunk < 0) return;
      if (!this.books.isClean(chunk)) this.#scrubber.whole(chunk);
      do this.#promise(slot, chunk++);
      while (this.#requests.missing(slot) > 0 && this.books.isFree(chunk) && this.books.isClean(chunk));
    }
  }

  #promise(slot: number, chunk: number): void {
    const id = this.#requests.pair[slot]!;
    const word = wordOf(STATE.promised, this.#requests.session[slot]!);
    enter(this.books, this.#pairs[id]!.ledger, chunk, id, word);
    this.#requests.got[slot] = this.#requests.got[slot]! + 1;
  }

  #askDonors(slot: number, now: number): void {
    const donors = this.#donors;
    const requests = this.#requests;
    const requester = requests.pair[slot]!;
    this.#census.take();
    for (let id = 0; id < donors.count; id++) {
      const pair = this.#pairs[id];
      const aboveFloor = pair ? this.books.heldBy(id) - pair.limits.floorChunks : 0;
      donors.describe(id, this.#census.of(id, STATE.reserved), this.#census.of(id, STATE.leasedRevocable), aboveFloor);
    }
    const missing = requests.missing(slot);
    if (donors.choose(requester, missing, now) < missing) return; // disturb nobody in vain
    const budgetMicros = Math.max(0, requests.deadlineMicros[slot]! - now);
    for (let id = 0; id < donors.count; id++) {
      const chunks = donors.shareOf(id);
      if (chunks <= 0 || !this.#pairs[id]!.toFront.push(OP.revoke, 0, chunks, budgetMicros)) continue;
      this.stats.revocations++;
      donors.noteAsked(id, chunks, now + budgetMicros);
      requests.awaited[slot] = requests.awaited[slot]! + chunks;
      this.#effects.ringFront(id);
    }
  }

  /**
   * Takes what one pair or EVERYBODY has put into RETURNING: straight to whoever waits, else to the free pool. On the way
   * it finds chunks of a pair that the pair's ledger does not speak of.
   */
  #collect(only: number): void {
    this.#unaccounted.fill(0);
    for (let chunk = 0; chunk < this.books.chunkCount; chunk++) {
      const id = this.books.ownerOf(chunk); // a pair can return only what is its own
      if (id < 0 || (id !== only && only !== EVERYBODY)) continue;
      const pair = this.#pairs[id];
      if (!pair) continue;
      const state = stateOf(pair.ledger.peek(chunk));
      if (state === STATE.returning) this.#takeReturned(id, pair, chunk);
      // Somebody may be using it: it stays the domain's until all of the domain has ended.
      else if (state === STATE.none) this.#unaccounted[id] = this.#unaccounted[id]! + 1;
    }
    for (let id = 0; id < this.#donors.count; id++) {
      const pair = this.#pairs[id];
      if (!pair || (id !== only && only !== EVERYBODY)) continue;
      if (this.#unaccounted[id]! > pair.unaccounted) this.#violated(id, pair);
      pair.unaccounted = this.#unaccounted[id]!;
    }
  }

  #takeReturned(id: number, pair: Pair, chunk: number): void {
    leave(this.books, pair.ledger, chunk, false);
    this.#donors.noteReturned(id);
    const slot = this.#requests.oldestMissing();
    if (slot < 0) return;
    this.#scrubber.whole(chunk);
    this.#promise(slot, chunk);
  }

  /**
   * Clears words that a ledger has about chunks of others: nobody claims by them (control/owner-table.ts), but they are a
   * sign. A tenth of the pairs at each beat, so that the beat costs no more with more domains than it must.
   */
  #audit(): void {
    const { count } = this.#donors;
    for (let turns = Math.ceil(count / AUDIT_BEATS); turns > 0; turns--) {
      const id = this.#auditNext;
      this.#auditNext = (id + 1) % count;
      const pair = this.#pairs[id];
      let foreign = 0;
      for (let chunk = 0; pair && chunk < this.books.chunkCount; chunk++) {
        if (pair.ledger.peek(chunk) === 0 || this.books.ownerOf(chunk) === id) continue;
        pair.ledger.set(chunk, wordOf(STATE.none));
        foreign++;
      }
      if (pair && foreign > 0) this.#violated(id, pair);
    }
  }

  #moveRequestsOn(): void {
    const now = this.#effects.clock.monotonicMicros();
    this.stats.donorMisses += this.#donors.noteMisses(now);
    for (let slot = 0; slot < this.#requests.capacity; slot++) {
      if (this.#requests.active[slot] === 1) this.#finishIfDone(slot, now);
    }
    // What has become free meanwhile, a failed request's promises say, goes to those who still wait.
    while (this.books.freeChunks > 0) {
      const slot = this.#requests.oldestMissing();
      if (slot < 0) return;
      this.#giveFree(slot);
      this.#finishIfDone(slot, now);
    }
  }

  #finishIfDone(slot: number, now: number): void {
    const requests = this.#requests;
    const missing = requests.missing(slot);
    const hopeless = missing > 0 && requests.awaited[slot] === 0;
    if (missing > 0 && !hopeless && now <= requests.deadlineMicros[slot]!) return;
    const id = requests.pair[slot]!;
    const session = requests.session[slot]!;
    const status = missing === 0 ? GIVEN.ok : hopeless ? GIVEN.empty : GIVEN.deadline;
    if (missing > 0) this.#takePromisesBack(id, session);
    const elapsed = this.#effects.clock.monotonicMicros() - requests.startMicros[slot]!;
    const decided = requests.decidedMicros[slot]!;
    const release = requests.awaited[slot]! > 0 ? Math.max(0, elapsed - decided) : 0;
    const got = missing === 0 ? requests.got[slot]! : 0;
    const requestId = requests.id[slot]!;
    requests.remove(slot);
    const told = this.#answer(id, requestId, session, got, status, decided, release);
    if (!told && missing === 0) this.#takePromisesBack(id, session);
  }

  /** A request that fails leaves nothing behind: what was promised goes back to the pool, still clean. */
  #takePromisesBack(id: number, session: number): void {
    withdrawPromises(this.books, this.#pairs[id]!.ledger, id, session);
    this.#topUp = true;
  }

  /** @returns whether the front end can hear of it: not if it has stopped reading its ring. */
  #answer(id: number, seq: number, session: number, chunks: number, status: number, d: number, r: number): boolean {
    const { toFront, answers } = this.#pairs[id]!;
    const told = answers.tell(toFront, seq, session, chunks, status, d, r);
    if (told && status === GIVEN.ok) this.stats.served++;
    else this.stats.refused++;
    this.#effects.ringFront(id);
    return told;
  }

  /** One slice of what nobody waits for. @returns whether there is more. */
  #backgroundSlice(): boolean {
    const more = this.#scrubber.slice(SCRUB_SLICE_BYTES);
    this.stats.scrubbedBytes = this.#scrubber.scrubbedBytes;
    if (more) {
      this.#topUp = true;
      return true;
    }
    if (this.#topUp) this.#topUpOffers();
    return false;
  }

  /**
   * Keeps `offerChunks` of clean free memory offered to each domain, so that its next burst needs nobody, and withdraws
   * what exceeds that or its ceiling. In split mode nothing is offered: every burst goes through here.
   */
  #topUpOffers(): void {
    this.#topUp = false;
    this.#census.take();
    for (let id = 0; id < this.#donors.count; id++) {
      const pair = this.#pairs[id];
      if (!pair) continue;
      const there = this.#census.of(id, STATE.offered);
      const wanted = this.#splitMode ? 0 : pair.limits.offerChunks;
      const change = Math.min(wanted - there, this.#headroom(id, pair));
      const offered = offerFree(this.books, pair.ledger, id, change);
      if (change < 0) withdrawOffers(this.books, pair.ledger, id, -change);
      this.stats.offeredChunks += offered;
      if (offered === 0) continue;
      // Told only when there is something new: a front end that is told in vain asks again at once, without end.
      if (pair.refillAsked) pair.refillAsked = !pair.toFront.push(OP.given, 0, 0, offered, GIVEN.ok);
      this.#effects.ringFront(id);
    }
  }
}
