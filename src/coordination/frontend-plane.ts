import type { Clock } from '../clock.ts';
import type { ControlFile } from '../control/contracts.ts';
import {
  BACK,
  BACK_TO_FRONT,
  FRONT,
  FRONT_TO_BACK,
  type Geometry,
  GIVEN,
  OP,
  RING_ENTRIES,
  SESSION,
  SESSION_ACTIVE,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  sessionOf,
  stateOf,
} from '../control/layout.ts';
import type { Grants } from '../control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../control/ring.ts';
import { ChunkKeeper, type ScrubbedMemory } from '../platforms/arena/chunk-keeper.ts';
import { SOURCE_BACKEND, SOURCE_MAIN } from './sources.ts';

/** What the plane does to the outside. All of it cheap enough for the fast plane. */
export interface FrontendEffects extends ScrubbedMemory {
  readonly clock: Clock;
  /** Wakes the application of a session: its futex word, and its pipe if it waits in an event loop. */
  wakeSession(session: number): void;
  /** Rings the back end's bell as this pair. */
  ringBackend(): void;
  /** Not to ask for new offers before there are too few: where asking wakes another domain, and offers come without it. */
  readonly asksLate?: boolean;
}

export const IDLE_WAIT_MILLIS = 250;
/** While memory is owed to the back end, the deadline is looked at this often. */
const DEADLINE_LOOK_MILLIS = 2;

/** Indices of `#instants`. */
const LOOK_ROUND_AT = 0;
const OWED_UNTIL = 1;

/** Bytes scrubbed between two looks at the doorbell: 25 to 90 µs. */
export const SCRUB_SLICE_BYTES = 256 * 1024;

/**
 * The front half of the split driver: one domain's side of the fast plane. `poll` serves whoever rang, then does one
 * slice of background work. It allocates nothing, logs nothing and never waits.
 *
 * - an application that found too little to claim posts a request in its session slot; it goes to the back end as NEED,
 *   unless all that the application waits for is scrubbing;
 * - what the back end gives is in the ledger as PROMISED, and GIVEN tells the application to claim it;
 * - when the back end asks for memory (REVOKE), unused reserve goes at once, then what applications release, and holders
 *   of revocable leases are asked to let go;
 * - released chunks are scrubbed here if the domain keeps them; what leaves the domain is scrubbed by the back end.
 */
export class FrontendPlane {
  readonly #words: Int32Array;
  readonly #keeper: ChunkKeeper;
  readonly #effects: FrontendEffects;
  readonly #toBack: RingProducer;
  readonly #fromBack: RingConsumer;
  readonly #lastRequest = new Int32Array(SESSION_SLOTS);
  /** The last answer of each session at the last look round: what is promised for longer than that is not claimed. */
  readonly #lastAnswer = new Int32Array(SESSION_SLOTS);
  readonly #counts = new Int32Array(16);
  /** Instants; an array, since a number in a field would be allocated anew at each change. */
  readonly #instants = new Float64Array(2);

  /** Chunks that the back end is still to get, until OWED_UNTIL. */
  #owed = 0;
  #released = true;
  #scrubMore = false;
  #lookAtReserve = true;
  #refillAsked = false;
  #backIncarnation: number;

  /** Requests, gifts and revocations served, and bytes scrubbed: for the slow plane to read. */
  readonly stats = { requests: 0, given: 0, revoked: 0, returnedChunks: 0, scrubbedBytes: 0, violations: 0 };

  /** The predecessor, if there was one, is dead. */
  constructor(file: ControlFile, geometry: Geometry, effects: FrontendEffects, grants?: Grants) {
    this.#words = file.words;
    this.#keeper = new ChunkKeeper(file, geometry, effects, grants);
    this.#effects = effects;
    this.#toBack = new RingProducer(file.words, FRONT_TO_BACK);
    this.#fromBack = new RingConsumer(file.words, BACK_TO_FRONT);
    this.#keeper.takeUp();
    for (let session = 1; session < SESSION_SLOTS; session++) {
      // A predecessor may have died between a request and its forwarding: those are seen as new and forwarded now. The
      // back end knows one that it has already.
      this.#lastRequest[session] = Atomics.load(file.words, slotOf(session) + SESSION.responseSeq);
    }
    Atomics.add(file.words, FRONT.incarnation, 1);
    this.#backIncarnation = Atomics.load(file.words, BACK.incarnation);
  }

  /**
   * One pass. `pending` is the doorbell's: all of it is served and cleared.
   * @returns for how long the caller may sleep, in milliseconds, unless somebody rings.
   */
  poll(pending: Int32Array): number {
    Atomics.add(this.#words, FRONT.heartbeat, 1);
    const now = this.#effects.clock.monotonicMicros();
    const due = now >= this.#instants[LOOK_ROUND_AT]!;
    const byMain = take(pending, SOURCE_MAIN);
    if (take(pending, SOURCE_BACKEND) || due) {
      this.#serveBackend(now);
      // After the ring: what the last back end has answered is answered.
      if (Atomics.load(this.#words, BACK.incarnation) !== this.#backIncarnation) this.#meetNewBackend(now);
    }
    for (let word = 0; word < pending.length; word++) {
      let bits = pending[word] as number;
      pending[word] = 0; // every bit: one that stayed would keep the caller awake
      while (bits !== 0) {
        const session = word * 32 + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (session > 0 && session < SESSION_SLOTS) this.#serveSession(session, now);
        this.#released = true;
        this.#lookAtReserve = true;
      }
    }
    if (due) this.#lookRound(now);
    if (this.#owed > 0) this.#payDebt(now);
    if (due || byMain) this.#giveUpSurplus(STATE.reserved);
    if (this.#lookAtReserve) this.#keepReserve();
    if (this.#released || byMain) {
      this.#released = false;
      this.#scrubMore = true;
      // More than the domain wants to hold is not scrubbed here: the back end does that.
      this.#giveUpSurplus(STATE.dirty);
    }
    if (this.#scrubSlice()) return 0;
    return this.#owed > 0 ? DEADLINE_LOOK_MILLIS : IDLE_WAIT_MILLIS;
  }

  /** Four times a second, whoever rang: finds what no bell told of, and promises that were not claimed. */
  #lookRound(now: number): void {
    this.#instants[LOOK_ROUND_AT] = now + IDLE_WAIT_MILLIS * 1000;
    this.#released = true;
    this.#lookAtReserve = true;
    this.stats.violations += this.#keeper.mend();
    Atomics.store(this.#words, FRONT.owedChunks, this.#owed);
    if (!this.#toBack.heal()) this.stats.violations++;
    if (!this.#fromBack.heal()) this.stats.violations++;
    const { ledger } = this.#keeper;
    for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
      const word = ledger.peek(chunk);
      const session = sessionOf(word);
      if (stateOf(word) !== STATE.promised || session >= SESSION_SLOTS) continue;
      const answer = Atomics.load(this.#words, slotOf(session) + SESSION.responseSeq);
      const asked = Atomics.load(this.#words, slotOf(session) + SESSION.requestSeq);
      // The application has gone away, has given up, or could not use it: claimable by all of the domain now.
      if (answer === asked && answer === this.#lastAnswer[session]) this.#keeper.dropPromises(session);
    }
    for (let session = 1; session < SESSION_SLOTS; session++) {
      this.#lastAnswer[session] = Atomics.load(this.#words, slotOf(session) + SESSION.responseSeq);
      if (Atomics.load(this.#words, slotOf(session) + SESSION.state) === SESSION_ACTIVE)
        this.#serveSession(session, now);
    }
  }

  /**
   * The back end has been started anew. It may or may not have read what its predecessor was asked: everything that is
   * open is asked again, and one who knows it answers once. What the predecessor wanted, nobody waits for.
   */
  #meetNewBackend(now: number): void {
    this.#backIncarnation = Atomics.load(this.#words, BACK.incarnation);
    this.#refillAsked = false;
    this.#lookAtReserve = true;
    this.#owed = 0;
    Atomics.store(this.#words, FRONT.owedChunks, 0);
    this.#cancelReclaims();
    for (let session = 1; session < SESSION_SLOTS; session++) {
      if (Atomics.load(this.#words, slotOf(session) + SESSION.state) !== SESSION_ACTIVE) continue;
      this.#lastRequest[session] = Atomics.load(this.#words, slotOf(session) + SESSION.responseSeq);
      this.#serveSession(session, now);
    }
  }

  #serveSession(session: number, now: number): void {
    const at = slotOf(session);
    const seq = Atomics.load(this.#words, at + SESSION.requestSeq);
    if (seq === this.#lastRequest[session]) return;
    const chunks = this.#words[at + SESSION.requestChunks] as number;
    const deadlineMicros = this.#words[at + SESSION.requestDeadlineMicros] as number;
    if (chunks < 0 || chunks > this.#keeper.ledger.chunkCount || deadlineMicros < 0) {
      this.#lastRequest[session] = seq;
      this.#respond(session, seq, 0, GIVEN.invalid, 0, 0);
      return;
    }
    // In split mode what was released serves requests by way of the back end only: so it goes there first.
    if (Atomics.load(this.#words, BACK.mode) === 1) this.#giveUpSurplus(STATE.dirty);
    if (chunks === 0) {
      // The domain has enough, but not scrubbed: one chunk more of it is, now. Nobody waits for promises any more.
      this.#lastRequest[session] = seq;
      this.#keeper.dropPromises(session);
      this.stats.scrubbedBytes += this.#keeper.scrub(this.#keeper.ledger.chunkBytes);
      this.#respond(session, seq, 0, GIVEN.ok, 0, 0);
      return;
    }
    // A full ring is one that nobody reads: the next look round tries again, and the slow plane has its own way.
    if (!this.#toBack.push(OP.need, seq, session, chunks, deadlineMicros, now | 0)) return;
    this.#lastRequest[session] = seq;
    this.stats.requests++;
    this.#effects.ringBackend();
  }

  #serveBackend(now: number): void {
    const entry = this.#fromBack.entry;
    // What comes while this goes on is rung for again; a peer that never stops must not keep the others waiting.
    for (let served = 0; served < RING_ENTRIES; served++) {
      const popped = this.#fromBack.pop();
      if (popped === POPPED.nothing) return;
      if (popped === POPPED.violation) {
        this.stats.violations++;
        this.#fromBack.resync();
        return;
      }
      const op = entry[0] as number;
      if (op === OP.given) {
        this.stats.given++;
        const session = entry[2] as number;
        if (session === 0) {
          this.#refillAsked = false;
          this.#lookAtReserve = true;
        } else if (session > 0 && session < SESSION_SLOTS) {
          this.#respond(session, entry[1]!, entry[3]!, entry[4]!, entry[5]!, entry[6]!);
        }
      } else if (op === OP.revoke) {
        this.#owe(Math.max(0, entry[2] as number), now + Math.max(0, entry[3] as number), now);
      } else if (op === OP.noop) {
        if (this.#toBack.push(OP.noopReply, entry[1]!)) this.#effects.ringBackend();
      } else if (op !== OP.noopReply) {
        this.stats.violations++;
      }
    }
  }

  /** An answer that came over the slow link. */
  given(session: number, seq: number, chunks: number, status: number, decide: number, release: number): void {
    if (session > 0 && session < SESSION_SLOTS) this.#respond(session, seq, chunks, status, decide, release);
  }

  #respond(session: number, seq: number, chunks: number, status: number, decide: number, release: number): void {
    const at = slotOf(session);
    if (Atomics.load(this.#words, at + SESSION.state) !== SESSION_ACTIVE) {
      this.#keeper.dropPromises(session); // it ended while its request was under way
      return;
    }
    // An answer to what nobody asks any more; the answer to the present question is still to come.
    if (seq !== Atomics.load(this.#words, at + SESSION.requestSeq)) return;
    if (seq === Atomics.load(this.#words, at + SESSION.responseSeq)) return; // answered twice, since it was asked twice
    this.#words[at + SESSION.responseChunks] = chunks;
    this.#words[at + SESSION.responseStatus] = status;
    this.#words[at + SESSION.decideMicros] = decide;
    this.#words[at + SESSION.releaseMicros] = release;
    Atomics.store(this.#words, at + SESSION.responseSeq, seq);
    this.#effects.wakeSession(session);
  }

  #owe(chunks: number, untilMicros: number, now: number): void {
    this.stats.revoked++;
    const until = this.#owed > 0 ? Math.max(this.#instants[OWED_UNTIL]!, untilMicros) : untilMicros;
    this.#instants[OWED_UNTIL] = until;
    this.#owed = Math.min(this.#owed + chunks, this.#keeper.ledger.chunkCount);
    Atomics.store(this.#words, FRONT.owedChunks, this.#owed);
    this.#payDebt(now);
    this.#askHolders();
  }

  /** Hands over what can go at once: what was released, and reserve that nobody uses. */
  #payDebt(now: number): void {
    this.#handOver(this.#keeper.revoke(Math.min(this.#owed, this.#aboveFloor())));
    if (this.#owed > 0 && now > this.#instants[OWED_UNTIL]!) {
      this.#owed = 0; // the back end no longer waits; it has noted the miss by its own clock
      this.#cancelReclaims();
    }
    Atomics.store(this.#words, FRONT.owedChunks, this.#owed);
  }

  /**
   * Chunks that the domain may give without going below its floor. The back end asks for no more; but what it asked and
   * what went back unasked may have crossed, and several of its demands may have waited while this side was stopped.
   */
  #aboveFloor(): number {
    const counts = this.#counts;
    this.#keeper.ledger.countAll(counts);
    const others = counts[STATE.none]! + counts[STATE.offered]! + counts[STATE.promised]! + counts[STATE.returning]!;
    const held = this.#keeper.ledger.chunkCount - others;
    return Math.max(0, held - Atomics.load(this.#words, BACK.floorChunks));
  }

  #handOver(chunks: number): void {
    if (chunks === 0) return;
    this.#owed = Math.max(0, this.#owed - chunks);
    this.stats.returnedChunks += chunks;
    // A full ring loses only the hint: the back end finds RETURNING chunks whenever it looks at this pair.
    this.#toBack.push(OP.returned, 0, chunks);
    this.#effects.ringBackend();
  }

  /** Asks applications with revocable leases for what reserve and released chunks do not cover. */
  #askHolders(): void {
    let wanted = this.#owed;
    for (let session = 1; session < SESSION_SLOTS && wanted > 0; session++) {
      const at = slotOf(session);
      if (Atomics.load(this.#words, at + SESSION.state) !== SESSION_ACTIVE) continue;
      const holds = Atomics.load(this.#words, at + SESSION.revocableChunks);
      if (holds <= 0) continue;
      const ask = Math.min(holds, wanted);
      wanted -= ask;
      Atomics.store(this.#words, at + SESSION.reclaimChunks, ask);
      Atomics.add(this.#words, at + SESSION.reclaimSeq, 1);
      this.#effects.wakeSession(session);
    }
  }

  #cancelReclaims(): void {
    for (let session = 1; session < SESSION_SLOTS; session++) {
      Atomics.store(this.#words, slotOf(session) + SESSION.reclaimChunks, 0);
    }
  }

  /** Takes offers into the reserve when it has run low, and asks for new ones. */
  #keepReserve(): void {
    this.#lookAtReserve = false;
    if (this.#owed > 0) return;
    const target = Atomics.load(this.#words, FRONT.reserveTarget);
    if (target <= 0) return;
    this.#keeper.ledger.countAll(this.#counts);
    const reserve = this.#counts[STATE.reserved]! + this.#counts[STATE.scrubbing]! + this.#counts[STATE.dirty]!;
    if (reserve * 2 >= target) return;
    const missing = target - reserve - this.#keeper.reserve(target - reserve);
    if (missing === 0 && this.#effects.asksLate === true) return;
    // Asked once: the answer comes when there is something, however late, and never in vain.
    if (this.#refillAsked) return;
    this.#refillAsked = this.#toBack.push(OP.need, 0, 0, Math.max(1, missing), 0, 0);
    if (this.#refillAsked) this.#effects.ringBackend();
  }

  /**
   * Gives back what the domain holds beyond its target. Released chunks go as they come; reserve goes at leisure only,
   * since an application that lost a race may have put it there for a moment.
   */
  #giveUpSurplus(from: typeof STATE.reserved | typeof STATE.dirty): void {
    const counts = this.#counts;
    this.#keeper.ledger.countAll(counts);
    const target = Math.max(0, Atomics.load(this.#words, FRONT.reserveTarget));
    const surplus = counts[STATE.reserved]! + counts[STATE.scrubbing]! + counts[STATE.dirty]! - target;
    const most = from === STATE.dirty ? counts[STATE.dirty]! : surplus;
    if (surplus > 0) this.#handOver(this.#keeper.revoke(Math.min(surplus, most)));
  }

  /** One slice of scrubbing. @returns whether there may be more. */
  #scrubSlice(): boolean {
    if (!this.#scrubMore) return false;
    const scrubbed = this.#keeper.scrub(SCRUB_SLICE_BYTES);
    this.stats.scrubbedBytes += scrubbed;
    this.#scrubMore = scrubbed > 0;
    return this.#scrubMore;
  }
}

const slotOf = (session: number): number => SESSIONS + session * SESSION_WORDS;

/** Clears the bit of `source` in a doorbell's pending words. @returns whether it was set. */
function take(pending: Int32Array, source: number): boolean {
  const word = source >>> 5;
  const mask = 1 << (source & 31);
  const bits = pending[word] as number;
  pending[word] = bits & ~mask;
  return (bits & mask) !== 0;
}
