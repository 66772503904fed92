import type { Clock } from '../clock.ts';
import type { ControlFile } from '../control/contracts.ts';
import {
  BACK,
  BACK_TO_FRONT,
  FRONT_TO_BACK,
  type Geometry,
  GIVEN,
  OP,
  SESSION_SLOTS,
  STATE,
  stateOf,
  wordOf,
} from '../control/layout.ts';
import { Ledger } from '../control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../control/ring.ts';
import { chooseDonors, type DonorTable } from '../policy/donors.ts';
import { ChunkBooks } from './chunk-books.ts';
import { IDLE_WAIT_MILLIS, SCRUB_SLICE_BYTES } from './frontend-plane.ts';
import { RequestTable } from './request-table.ts';
import { MAX_PAIRS } from './sources.ts';

/** What the plane does to the outside. */
export interface BackendEffects {
  readonly clock: Clock;
  scrub(offset: number, length: number): void;
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
  linked: boolean;
}

/** While a request waits for donors, its deadline is looked at this often. */
const DEADLINE_LOOK_MILLIS = 2;

/** How long a donor is left alone after it has let a deadline pass; doubled by each further miss (policy/stuck.ts). */
const MAX_MISS_SHIFT = 5;

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
  readonly #donors: DonorTable;
  readonly #take = new Int32Array(MAX_PAIRS);
  readonly #counts = new Int32Array(16);
  readonly #misses = new Int32Array(MAX_PAIRS);
  /** Chunks a donor has been asked for and has not returned, and until when. */
  readonly #asked = new Int32Array(MAX_PAIRS);
  readonly #askedUntilMicros = new Float64Array(MAX_PAIRS);
  readonly #chunkBytes: number;
  #splitMode = false;
  #backoffMicros = 1_000_000;
  #scrubbing = -1;
  #scrubbingTurn = 0;
  #scrubbed = 0;
  #topUp = true;

  readonly stats = {
    requests: 0,
    served: 0,
    refused: 0,
    revocations: 0,
    donorMisses: 0,
    violations: 0,
    scrubbedBytes: 0,
    offeredChunks: 0,
  };

  constructor(geometry: Geometry, effects: BackendEffects) {
    this.books = new ChunkBooks(geometry.chunkCount);
    this.#effects = effects;
    this.#chunkBytes = 2 ** geometry.chunkShift;
    this.#donors = {
      count: 0,
      idleChunks: new Int32Array(MAX_PAIRS),
      revocableChunks: new Int32Array(MAX_PAIRS),
      aboveFloorChunks: new Int32Array(MAX_PAIRS),
      stuckUntilMicros: new Float64Array(MAX_PAIRS),
      pressured: new Uint8Array(MAX_PAIRS),
    };
  }

  get stuckUntilMicros(): Float64Array {
    return this.#donors.stuckUntilMicros;
  }

  /** @param stuckBackoffMicros how long a donor is left alone after its first missed deadline. */
  setMode(split: boolean, stuckBackoffMicros: number): void {
    this.#splitMode = split;
    this.#backoffMicros = stuckBackoffMicros;
    for (const pair of this.#pairs) if (pair) Atomics.store(pair.words, BACK.mode, split ? 1 : 0);
    this.#topUp = true;
  }

  /** Adds a pair, or takes up again one whose front end has restarted: what its ledger says of its own chunks holds. */
  addPair(id: number, file: ControlFile, geometry: Geometry, limits: PairLimits): void {
    this.#pairs[id] = {
      words: file.words,
      ledger: new Ledger(file, geometry),
      toFront: new RingProducer(file.words, BACK_TO_FRONT),
      fromFront: new RingConsumer(file.words, FRONT_TO_BACK),
      limits,
      linked: true,
    };
    this.#donors.count = Math.max(this.#donors.count, id + 1);
    Atomics.add(file.words, BACK.incarnation, 1);
    Atomics.store(file.words, BACK.mode, this.#splitMode ? 1 : 0);
    this.setLimits(id, limits);
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
    this.#donors.pressured[id] = pressured ? 1 : 0;
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
        if (pair) this.#servePair(id, pair);
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
      this.#servePair(id, pair);
      this.#collect(id, pair);
    }
    this.#moveRequestsOn();
    this.#topUp = true;
  }

  #servePair(id: number, pair: Pair): void {
    const { entry } = pair.fromFront;
    for (;;) {
      const popped = pair.fromFront.pop();
      if (popped === POPPED.nothing) return;
      if (popped === POPPED.violation) {
        this.stats.violations++;
        pair.fromFront.resync();
        return;
      }
      switch (entry[0]) {
        case OP.need:
          this.#startRequest(id, pair, entry);
          break;
        case OP.returned:
          this.#collect(id, pair);
          break;
        case OP.noop:
          if (pair.toFront.push(OP.noopReply, entry[1]!)) this.#effects.ringFront(id);
          break;
        case OP.noopReply:
          break;
        case OP.ping:
          this.#effects.pingPong?.(id, Math.min(Math.max(0, entry[2]!), 1_000_000));
          break;
        default:
          this.stats.violations++;
      }
    }
  }

  #startRequest(id: number, pair: Pair, entry: Int32Array): void {
    const requestId = entry[1]!;
    const session = entry[2]!;
    const chunks = entry[3]!;
    if (session < 0 || session >= SESSION_SLOTS || chunks < 1 || chunks > this.books.chunkCount) {
      this.stats.violations++;
      return;
    }
    if (session === 0) {
      // A refill: offers are topped up in the background, and the front end is told that it may ask again.
      this.#topUp = true;
      if (pair.toFront.push(OP.given, requestId, 0, 0, GIVEN.ok)) this.#effects.ringFront(id);
      return;
    }
    this.stats.requests++;
    if (this.books.heldBy(id) + chunks > pair.limits.ceilingChunks) {
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
    this.#withdrawOffers(slot);
    if (this.#requests.missing(slot) > 0) this.#askDonors(slot, now);
    this.#requests.decidedMicros[slot] = this.#effects.clock.monotonicMicros() - now;
    this.#finishIfDone(slot, now);
  }

  /** Promises free chunks to a request, neighbours where there are any, scrubbing what is not clean. */
  #giveFree(slot: number): void {
    while (this.#requests.missing(slot) > 0) {
      let chunk = this.books.nextFree(this.#requests.missing(slot));
      if (chunk < 0) return;
      if (!this.books.isClean(chunk)) this.#scrubWhole(chunk);
      do this.#promise(slot, chunk++);
      while (this.#requests.missing(slot) > 0 && this.books.isFree(chunk) && this.books.isClean(chunk));
    }
  }

  #promise(slot: number, chunk: number): void {
    const id = this.#requests.pair[slot]!;
    this.books.give(chunk, id);
    this.#pairs[id]!.ledger.set(chunk, wordOf(STATE.promised, this.#requests.session[slot]!));
    this.#requests.got[slot] = this.#requests.got[slot]! + 1;
  }

  /** Takes back what was offered to others and that nobody has claimed: the pool needs no donor's consent. */
  #withdrawOffers(slot: number): void {
    for (let id = 0; id < this.#donors.count && this.#requests.missing(slot) > 0; id++) {
      const pair = this.#pairs[id];
      if (!pair || id === this.#requests.pair[slot]) continue;
      for (let chunk = 0; chunk < this.books.chunkCount && this.#requests.missing(slot) > 0; chunk++) {
        if (this.books.ownerOf(chunk) !== id || !this.#withdraw(pair, chunk)) continue;
        this.#promise(slot, chunk);
      }
    }
  }

  #withdraw(pair: Pair, chunk: number): boolean {
    if (stateOf(pair.ledger.peek(chunk)) !== STATE.offered) return false;
    if (!pair.ledger.move(chunk, wordOf(STATE.offered), wordOf(STATE.none))) return false;
    this.books.takeBack(chunk, true);
    return true;
  }

  #askDonors(slot: number, now: number): void {
    const donors = this.#donors;
    const requester = this.#requests.pair[slot]!;
    for (let id = 0; id < donors.count; id++) {
      const pair = this.#pairs[id];
      donors.idleChunks[id] = 0;
      donors.revocableChunks[id] = 0;
      donors.aboveFloorChunks[id] = 0;
      if (!pair || id === requester) continue;
      pair.ledger.countAll(this.#counts);
      donors.idleChunks[id] = Math.max(0, this.#counts[STATE.reserved]! - this.#asked[id]!);
      donors.revocableChunks[id] = this.#counts[STATE.leasedRevocable]!;
      donors.aboveFloorChunks[id] = Math.max(0, this.books.heldBy(id) - pair.limits.floorChunks - this.#asked[id]!);
    }
    const missing = this.#requests.missing(slot);
    if (chooseDonors(donors, requester, missing, now, this.#take) < missing) return; // disturb nobody in vain
    const budgetMicros = Math.max(0, this.#requests.deadlineMicros[slot]! - now);
    for (let id = 0; id < donors.count; id++) {
      const chunks = this.#take[id]!;
      const pair = this.#pairs[id];
      if (chunks <= 0 || !pair) continue;
      if (!pair.toFront.push(OP.revoke, 0, chunks, budgetMicros)) continue;
      this.stats.revocations++;
      this.#asked[id] = this.#asked[id]! + chunks;
      this.#askedUntilMicros[id] = Math.max(this.#askedUntilMicros[id]!, now + budgetMicros);
      this.#requests.awaited[slot] = this.#requests.awaited[slot]! + chunks;
      this.#effects.ringFront(id);
    }
  }

  /** Takes the chunks that a front end has put into RETURNING: straight to whoever waits, else to the free pool. */
  #collect(id: number, pair: Pair): void {
    for (let chunk = 0; chunk < this.books.chunkCount; chunk++) {
      if (stateOf(pair.ledger.peek(chunk)) !== STATE.returning) continue;
      if (this.books.ownerOf(chunk) !== id) continue; // not this domain's to return
      pair.ledger.set(chunk, wordOf(STATE.none));
      this.books.takeBack(chunk, false);
      if (this.#asked[id]! > 0) {
        this.#asked[id] = this.#asked[id]! - 1;
        if (this.#asked[id] === 0) this.#misses[id] = 0;
      }
      const slot = this.#requests.oldestMissing();
      if (slot < 0) continue;
      this.#scrubWhole(chunk);
      this.#promise(slot, chunk);
    }
  }

  #moveRequestsOn(): void {
    const now = this.#effects.clock.monotonicMicros();
    for (let id = 0; id < this.#donors.count; id++) {
      if (this.#asked[id]! > 0 && now > this.#askedUntilMicros[id]!) this.#noteMiss(id, now);
    }
    for (let slot = 0; slot < this.#requests.capacity; slot++) {
      if (this.#requests.active[slot] === 1) this.#finishIfDone(slot, now);
    }
  }

  #noteMiss(id: number, now: number): void {
    this.#asked[id] = 0;
    const misses = this.#misses[id]!;
    this.#misses[id] = misses + 1;
    this.stats.donorMisses++;
    this.#donors.stuckUntilMicros[id] = now + this.#backoffMicros * 2 ** Math.min(misses, MAX_MISS_SHIFT);
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
    this.#answer(id, requestId, session, got, status, decided, release);
  }

  /** A request that fails leaves nothing behind: what was promised goes back to the pool, still clean. */
  #takePromisesBack(id: number, session: number): void {
    const pair = this.#pairs[id]!;
    const promised = wordOf(STATE.promised, session);
    for (let chunk = 0; chunk < this.books.chunkCount; chunk++) {
      if (this.books.ownerOf(chunk) !== id || pair.ledger.peek(chunk) !== promised) continue;
      if (pair.ledger.move(chunk, promised, wordOf(STATE.none))) this.books.takeBack(chunk, true);
    }
  }

  #answer(id: number, requestId: number, session: number, chunks: number, status: number, d: number, r: number): void {
    if (status === GIVEN.ok) this.stats.served++;
    else this.stats.refused++;
    const pair = this.#pairs[id]!;
    pair.toFront.push(OP.given, requestId, session, chunks, status, d, r);
    this.#effects.ringFront(id);
  }

  /** One slice of what nobody waits for. @returns whether there is more. */
  #backgroundSlice(): boolean {
    if (this.#scrubbing >= 0 && this.books.turnOf(this.#scrubbing) !== this.#scrubbingTurn) this.#scrubbing = -1;
    if (this.#scrubbing < 0) {
      this.#scrubbing = this.books.nextDirty();
      this.#scrubbingTurn = this.#scrubbing < 0 ? 0 : this.books.turnOf(this.#scrubbing);
      this.#scrubbed = 0;
    }
    if (this.#scrubbing >= 0) {
      const length = Math.min(SCRUB_SLICE_BYTES, this.#chunkBytes - this.#scrubbed);
      this.#effects.scrub(this.#scrubbing * this.#chunkBytes + this.#scrubbed, length);
      this.stats.scrubbedBytes += length;
      this.#scrubbed += length;
      if (this.#scrubbed >= this.#chunkBytes) {
        this.books.markClean(this.#scrubbing);
        this.#scrubbing = -1;
        this.#topUp = true;
      }
      return true;
    }
    if (this.#topUp) this.#topUpOffers();
    return false;
  }

  /** Keeps `offerChunks` of clean free memory offered to each domain, so that its next burst needs nobody. */
  #topUpOffers(): void {
    this.#topUp = false;
    if (this.#splitMode) return;
    for (let id = 0; id < this.#donors.count; id++) {
      const pair = this.#pairs[id];
      if (!pair?.linked) continue;
      const headroom = pair.limits.ceilingChunks - this.books.heldBy(id);
      let missing = Math.min(pair.limits.offerChunks - pair.ledger.count(STATE.offered), headroom);
      for (let chunk = 0; missing < 0 && chunk < this.books.chunkCount; chunk++) {
        if (this.books.ownerOf(chunk) === id && this.#withdraw(pair, chunk)) missing++;
      }
      let offered = 0;
      for (; missing > 0; missing--) {
        const chunk = this.books.nextFree(missing);
        if (chunk < 0 || !this.books.isClean(chunk)) break;
        this.books.give(chunk, id);
        pair.ledger.set(chunk, wordOf(STATE.offered));
        offered++;
      }
      if (offered === 0) continue;
      this.stats.offeredChunks += offered;
      this.#effects.ringFront(id);
    }
  }

  #scrubWhole(chunk: number): void {
    this.#effects.scrub(chunk * this.#chunkBytes, this.#chunkBytes);
    this.stats.scrubbedBytes += this.#chunkBytes;
    this.books.markClean(chunk);
  }
}
