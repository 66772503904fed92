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
  STATE,
  stateOf,
} from '../control/layout.ts';
import { BlockTable, Ledger } from '../control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../control/ring.ts';
import type { ScrubbedMemory } from '../platforms/arena/chunk-keeper.ts';
import { AnswerMemory, type TellOverLink } from './answer-memory.ts';
import { ChunkBooks } from './chunk-books.ts';
import { leave, offerFree, withdrawOffers } from './chunk-offers.ts';
import { Donors } from './donors.ts';
import { FreeScrubber } from './free-scrubber.ts';
import { IDLE_WAIT_MILLIS, SCRUB_SLICE_BYTES } from './frontend-plane.ts';
import { LedgerAudit } from './ledger-audit.ts';
import { LedgerCensus } from './ledger-census.ts';
import type { PairLimits } from './pair-limits.ts';
import { RequestServer } from './request-server.ts';
import { MAX_PAIRS } from './sources.ts';

/** What the plane does to the outside. */
export interface BackendEffects extends ScrubbedMemory {
  readonly clock: Clock;
  /** Rings the front end's bell of a pair. */
  ringFront(pair: number): void;
  /** The other half of `OP.ping`: a bare futex ping-pong of `count` rounds on the pair's ping word. */
  pingPong?(pair: number, count: number): void;
  /** Tells a front end over the slow link what became of a request that came that way. */
  answerOverLink?(pair: number, ...answer: Parameters<TellOverLink>): void;
}

interface Pair {
  readonly words: Int32Array;
  readonly ledger: Ledger;
  readonly blocks: BlockTable;
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
  readonly #requests: RequestServer;
  readonly #donors = new Donors();
  readonly #census: LedgerCensus;
  readonly #scrubber: FreeScrubber;
  readonly #audit: LedgerAudit;
  readonly #unaccounted = new Int32Array(MAX_PAIRS);
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
    this.#audit = new LedgerAudit(this.books, this.#pairs, (id) => this.#violated(id, this.#pairs[id]!));
    this.#effects = effects;
    this.#scrubber = new FreeScrubber(this.books, effects, 2 ** geometry.chunkShift);
    this.#requests = new RequestServer({
      books: this.books,
      pairs: this.#pairs,
      donors: this.#donors,
      census: this.#census,
      scrubber: this.#scrubber,
      effects,
      stats: this.stats,
      memoryIsFree: () => {
        this.#topUp = true;
      },
    });
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
    const toFront = new RingProducer(file.words, BACK_TO_FRONT);
    const pair: Pair = {
      words: file.words,
      ledger: new Ledger(file, geometry),
      blocks: new BlockTable(file, geometry),
      toFront,
      fromFront: new RingConsumer(file.words, FRONT_TO_BACK),
      limits: { ...limits },
      answers: new AnswerMemory(toFront, (...answer) => this.#effects.answerOverLink?.(id, ...answer)),
      refillAsked: false,
      unaccounted: 0,
      violations: 0,
      heldOff: false,
    };
    this.#pairs[id] = pair;
    this.#donors.add(id);
    this.#audit.takeUp(id, pair);
    this.#collect(id);
    Atomics.add(file.words, BACK.incarnation, 1);
    Atomics.store(file.words, BACK.mode, this.#splitMode ? 1 : 0);
    this.setLimits(id, limits);
    this.#effects.ringFront(id);
  }

  /** What a pair has written that no honest front end writes, since it was added. */
  violationsOf(id: number): number {
    return this.#pairs[id]?.violations ?? 0;
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

  /** A request of the domain of a pair that came over the slow link. */
  need(id: number, requestId: number, session: number, chunks: number, deadlineMicros: number): void {
    const pair = this.#pairs[id];
    if (pair && !this.#requests.startOverLink(id, requestId, session, chunks, deadlineMicros)) this.#violated(id, pair);
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
    if (this.#requests.count > 0) this.#requests.moveOn();
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
    this.#audit.beat(this.#donors.count);
    this.#requests.moveOn();
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
          if (entry[2] === 0) this.#refill(pair);
          else if (!this.#requests.start(id, entry)) this.#violated(id, pair);
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
          if (!this.#effects.pingPong) this.#violated(id, pair);
          else this.#effects.pingPong(id, Math.min(Math.max(0, entry[2]!), MAX_PINGS));
          break;
        default:
          this.#violated(id, pair);
          return;
      }
    }
    if (returned) this.#collect(id);
  }

  /** A front end wants offers, in the background; it is told when there is something to offer. */
  #refill(pair: Pair): void {
    pair.refillAsked = true;
    this.#topUp = true;
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
    this.#requests.dropPair(id);
    Atomics.add(pair.words, BACK.incarnation, 1);
    this.#effects.ringFront(id);
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
      if (state === STATE.returning) {
        leave(this.books, pair.ledger, chunk, false);
        this.#requests.returned(id, chunk);
      }
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
      const change = Math.min(wanted - there, this.#requests.headroom(id));
      const offered = offerFree(this.books, pair.ledger, id, change);
      // Policy may want its offers elsewhere, but a floor is a promise.
      const spare = this.#splitMode ? there : this.#requests.spareOf(id);
      if (change < 0) withdrawOffers(this.books, pair.ledger, id, Math.min(-change, spare));
      this.stats.offeredChunks += offered;
      if (offered === 0) continue;
      // Told only when there is something new: a front end that is told in vain asks again at once, without end.
      if (pair.refillAsked) pair.refillAsked = !pair.toFront.push(OP.given, 0, 0, offered, GIVEN.ok);
      this.#effects.ringFront(id);
    }
  }
}
