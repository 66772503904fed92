import type { Clock } from '../clock.ts';
import type { ControlFile } from '../control/contracts.ts';
import {
  BACK_TO_FRONT,
  BLOCK,
  FRONT,
  FRONT_TO_BACK,
  type Geometry,
  GIVEN,
  OP,
  SESSION,
  SESSION_ACTIVE,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  sessionOf,
  stateOf,
  wordOf,
} from '../control/layout.ts';
import { BlockTable, Ledger } from '../control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../control/ring.ts';
import { SOURCE_BACKEND, SOURCE_MAIN } from './sources.ts';

/** What the plane does to the outside. All of it cheap enough for the fast plane. */
export interface FrontendEffects {
  readonly clock: Clock;
  /** Zeroes `[offset, offset + length)` of the arena. */
  scrub(offset: number, length: number): void;
  /** Wakes the application of a session: its futex word, and its pipe if it waits in an event loop. */
  wakeSession(session: number): void;
  /** Rings the back end's bell as this pair. */
  ringBackend(): void;
}

export const IDLE_WAIT_MILLIS = 250;
/** While memory is owed to the back end, the deadline is looked at this often. */
const DEADLINE_LOOK_MILLIS = 2;

/** Bytes scrubbed between two looks at the doorbell: 25 to 90 µs. */
export const SCRUB_SLICE_BYTES = 256 * 1024;

/**
 * The front half of the split driver: one domain's side of the fast plane. `poll` serves whoever rang, then does one
 * slice of background work. It allocates nothing, logs nothing and never waits.
 *
 * - an application that found nothing to claim posts a request in its session slot; it goes to the back end as NEED;
 * - what the back end gives is in the ledger as PROMISED, and GIVEN tells the application to claim it;
 * - when the back end asks for memory (REVOKE), unused reserve goes at once, then what applications release, and holders
 *   of revocable leases are asked to let go;
 * - released chunks are scrubbed here if the domain keeps them; what leaves the domain is scrubbed by the back end.
 */
export class FrontendPlane {
  readonly #words: Int32Array;
  readonly #ledger: Ledger;
  readonly #blocks: BlockTable;
  readonly #effects: FrontendEffects;
  readonly #toBack: RingProducer;
  readonly #fromBack: RingConsumer;
  readonly #lastRequest = new Int32Array(SESSION_SLOTS);
  readonly #counts = new Int32Array(16);
  readonly #blockScale: number;

  /** Chunks that the back end is still to get, and until when it waits for them. */
  #owed = 0;
  #owedUntilMicros = 0;
  #lookForDirty = true;
  #lookAtReserve = true;
  #scrubbing = -1;
  #scrubbed = 0;
  #refillAsked = false;

  /** Requests, gifts and revocations served, and bytes scrubbed: for the slow plane to read. */
  readonly stats = { requests: 0, given: 0, revoked: 0, returnedChunks: 0, scrubbedBytes: 0, violations: 0 };

  constructor(file: ControlFile, geometry: Geometry, effects: FrontendEffects) {
    this.#words = file.words;
    this.#ledger = new Ledger(file, geometry);
    this.#blocks = new BlockTable(file, geometry);
    this.#effects = effects;
    this.#toBack = new RingProducer(file.words, FRONT_TO_BACK);
    this.#fromBack = new RingConsumer(file.words, BACK_TO_FRONT);
    this.#blockScale = this.#blocks.blockBytes;
    for (let session = 1; session < SESSION_SLOTS; session++) {
      // A predecessor may have died between a request and its forwarding: those are seen as new and forwarded now.
      const at = SESSIONS + session * SESSION_WORDS;
      this.#lastRequest[session] = Atomics.load(file.words, at + SESSION.responseSeq);
    }
    Atomics.add(file.words, FRONT.incarnation, 1);
  }

  /**
   * One pass. `pending` is the doorbell's: served bits are cleared.
   * @returns for how long the caller may sleep, in milliseconds, unless somebody rings.
   */
  poll(pending: Int32Array): number {
    Atomics.add(this.#words, FRONT.heartbeat, 1);
    if (take(pending, SOURCE_BACKEND)) this.#serveBackend();
    else this.#lookAtReserve = true; // an application, the main thread, or the turn of an idle wait
    if (take(pending, SOURCE_MAIN)) this.#lookForDirty = true;
    for (let word = 0; word < SESSION_SLOTS / 32; word++) {
      let bits = pending[word] as number;
      pending[word] = 0;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        this.#serveSession(word * 32 + bit);
      }
    }
    if (this.#owed > 0) this.#giveBack();
    if (this.#lookAtReserve) this.#keepReserve();
    if (this.#scrubSlice()) return 0;
    return this.#owed > 0 ? DEADLINE_LOOK_MILLIS : IDLE_WAIT_MILLIS;
  }

  #serveSession(session: number): void {
    this.#lookForDirty = true;
    const at = SESSIONS + session * SESSION_WORDS;
    const seq = Atomics.load(this.#words, at + SESSION.requestSeq);
    if (session === 0 || seq === this.#lastRequest[session]) return;
    this.#lastRequest[session] = seq;
    const chunks = this.#words[at + SESSION.requestChunks] as number;
    const deadlineMicros = this.#words[at + SESSION.requestDeadlineMicros] as number;
    if (chunks < 1 || chunks > this.#ledger.chunkCount || deadlineMicros < 0) {
      this.#respond(session, seq, 0, GIVEN.invalid, 0, 0);
      return;
    }
    this.stats.requests++;
    const now = this.#effects.clock.monotonicMicros() | 0;
    if (!this.#toBack.push(OP.need, seq, session, chunks, deadlineMicros, now)) {
      this.#respond(session, seq, 0, GIVEN.empty, 0, 0);
      return;
    }
    this.#effects.ringBackend();
  }

  #serveBackend(): void {
    const entry = this.#fromBack.entry;
    for (;;) {
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
        this.#lookAtReserve = true;
        if (session === 0) this.#refillAsked = false;
        else if (session > 0 && session < SESSION_SLOTS) {
          this.#respond(session, entry[1]!, entry[3]!, entry[4]!, entry[5]!, entry[6]!);
        }
      } else if (op === OP.revoke) {
        this.stats.revoked++;
        this.#owed = Math.min(this.#owed + Math.max(0, entry[2] as number), this.#ledger.chunkCount);
        this.#owedUntilMicros = this.#effects.clock.monotonicMicros() + Math.max(0, entry[3] as number);
        this.#lookForDirty = true;
        this.#askHolders();
      } else if (op === OP.noop) {
        if (this.#toBack.push(OP.noopReply, entry[1]!)) this.#effects.ringBackend();
      } else {
        this.stats.violations++;
      }
    }
  }

  #respond(session: number, seq: number, chunks: number, status: number, decide: number, release: number): void {
    const at = SESSIONS + session * SESSION_WORDS;
    if (Atomics.load(this.#words, at + SESSION.state) !== SESSION_ACTIVE) {
      this.#dropPromises(session);
      return;
    }
    this.#words[at + SESSION.responseChunks] = chunks;
    this.#words[at + SESSION.responseStatus] = status;
    this.#words[at + SESSION.decideMicros] = decide;
    this.#words[at + SESSION.releaseMicros] = release;
    Atomics.store(this.#words, at + SESSION.responseSeq, seq);
    this.#effects.wakeSession(session);
  }

  /** The application ended while its request was under way: what came for it belongs to the domain now. */
  #dropPromises(session: number): void {
    const promised = wordOf(STATE.promised, session);
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      this.#ledger.move(chunk, promised, wordOf(STATE.dirty));
    }
    this.#lookForDirty = true;
  }

  /** Hands over what can go at once: reserve that nobody uses, and what was released. */
  #giveBack(): void {
    const before = this.#owed;
    for (let chunk = 0; chunk < this.#ledger.chunkCount && this.#owed > 0; chunk++) {
      const word = this.#ledger.peek(chunk);
      const state = stateOf(word);
      if (state !== STATE.reserved && state !== STATE.dirty) continue;
      if (this.#ledger.move(chunk, word, wordOf(STATE.returning))) this.#owed--;
    }
    if (this.#owed < before) this.#tellReturned(before - this.#owed);
    if (this.#owed > 0 && this.#effects.clock.monotonicMicros() > this.#owedUntilMicros) {
      this.#owed = 0; // the back end no longer waits; it has noted the miss by its own clock
      this.#cancelReclaims();
    }
  }

  #tellReturned(chunks: number): void {
    this.stats.returnedChunks += chunks;
    // A full ring loses only the hint: the back end finds RETURNING chunks whenever it looks at this pair.
    this.#toBack.push(OP.returned, 0, chunks);
    this.#effects.ringBackend();
  }

  /** Asks applications with revocable leases for what reserve and released chunks do not cover. */
  #askHolders(): void {
    this.#giveBack();
    let wanted = this.#owed;
    for (let session = 1; session < SESSION_SLOTS && wanted > 0; session++) {
      const at = SESSIONS + session * SESSION_WORDS;
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
      Atomics.store(this.#words, SESSIONS + session * SESSION_WORDS + SESSION.reclaimChunks, 0);
    }
  }

  /** Takes offers into the reserve when it has run low, and asks for new ones. */
  #keepReserve(): void {
    this.#lookAtReserve = false;
    const target = Atomics.load(this.#words, FRONT.reserveTarget);
    if (target <= 0) return;
    this.#ledger.countAll(this.#counts);
    const reserve = (this.#counts[STATE.reserved] as number) + (this.#counts[STATE.scrubbing] as number);
    if (reserve * 2 >= target) return;
    let missing = target - reserve;
    for (let chunk = 0; chunk < this.#ledger.chunkCount && missing > 0; chunk++) {
      const word = this.#ledger.peek(chunk);
      if (stateOf(word) !== STATE.offered) continue;
      if (this.#ledger.move(chunk, word, wordOf(STATE.reserved))) missing--;
    }
    if (this.#refillAsked || this.#owed > 0) return;
    this.#refillAsked = this.#toBack.push(OP.need, 0, 0, Math.max(1, missing), 0, 0);
    if (this.#refillAsked) this.#effects.ringBackend();
  }

  /** One slice of scrubbing. @returns whether there is more. */
  #scrubSlice(): boolean {
    if (this.#scrubbing < 0 && !this.#nextDirty()) return false;
    const { chunkBytes } = this.#ledger;
    const length = Math.min(SCRUB_SLICE_BYTES, chunkBytes - this.#scrubbed);
    this.#effects.scrub(this.#scrubbing * chunkBytes + this.#scrubbed, length);
    this.stats.scrubbedBytes += length;
    this.#scrubbed += length;
    if (this.#scrubbed >= chunkBytes) {
      this.#ledger.set(this.#scrubbing, wordOf(STATE.reserved));
      this.#scrubbing = -1;
    }
    return true;
  }

  /** Finds the next released chunk and decides whether the domain keeps it. */
  #nextDirty(): boolean {
    if (!this.#lookForDirty) return false;
    const target = Atomics.load(this.#words, FRONT.reserveTarget);
    this.#ledger.countAll(this.#counts);
    let reserve = this.#counts[STATE.reserved] as number;
    let returned = 0;
    for (let chunk = 0; chunk < this.#ledger.chunkCount; chunk++) {
      const word = this.#ledger.peek(chunk);
      const state = stateOf(word);
      if (state === STATE.split) this.#tendSplit(chunk, word);
      if (state !== STATE.dirty) continue;
      if (reserve >= target) {
        // More than the domain wants to hold: back to the pool, which scrubs it.
        if (this.#ledger.move(chunk, word, wordOf(STATE.returning))) returned++;
      } else if (this.#ledger.move(chunk, word, wordOf(STATE.scrubbing))) {
        if (returned > 0) this.#tellReturned(returned);
        this.#scrubbing = chunk;
        this.#scrubbed = 0;
        reserve++;
        return true;
      }
    }
    this.#lookForDirty = false;
    if (returned > 0) this.#tellReturned(returned);
    return false;
  }

  /** Scrubs released blocks of a split chunk; when all its blocks are free, makes it whole again. */
  #tendSplit(chunk: number, word: number): void {
    const blocks = this.#blocks;
    let free = 0;
    for (let block = 0; block < blocks.perChunk; block++) {
      if (blocks.peek(chunk, block) === BLOCK.dirty && blocks.move(chunk, block, BLOCK.dirty, BLOCK.scrubbing)) {
        this.#effects.scrub(chunk * this.#ledger.chunkBytes + block * this.#blockScale, this.#blockScale);
        this.stats.scrubbedBytes += this.#blockScale;
        blocks.set(chunk, block, BLOCK.free);
      }
      if (blocks.peek(chunk, block) === BLOCK.free) free++;
    }
    if (free < blocks.perChunk || !this.#ledger.move(chunk, word, wordOf(STATE.merging))) return;
    let taken = 0;
    while (taken < blocks.perChunk && blocks.move(chunk, taken, BLOCK.free, BLOCK.none)) taken++;
    if (taken === blocks.perChunk) {
      this.#ledger.set(chunk, wordOf(STATE.reserved));
      return;
    }
    // Somebody took a block in the meantime: open the others again.
    for (let block = 0; block < taken; block++) blocks.set(chunk, block, BLOCK.free);
    this.#ledger.set(chunk, wordOf(STATE.split));
  }
}

/** Clears the bit of `source` in a doorbell's pending words. @returns whether it was set. */
function take(pending: Int32Array, source: number): boolean {
  const word = source >>> 5;
  const mask = 1 << (source & 31);
  const bits = pending[word] as number;
  pending[word] = bits & ~mask;
  return (bits & mask) !== 0;
}

/** Frees everything that a session holds, after proof that it has ended. Any thread of the front end may do it. */
export function reapSession(file: ControlFile, geometry: Geometry, session: number): number {
  const ledger = new Ledger(file, geometry);
  const blocks = new BlockTable(file, geometry);
  let reaped = 0;
  for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
    const word = ledger.peek(chunk);
    const state = stateOf(word);
    if (state === STATE.split) {
      for (let block = 0; block < blocks.perChunk; block++) blocks.release(chunk, block, session);
      continue;
    }
    if (sessionOf(word) !== session) continue;
    if (state === STATE.splitting) for (let block = 0; block < blocks.perChunk; block++) blocks.set(chunk, block, 0);
    if (
      state === STATE.leased ||
      state === STATE.leasedRevocable ||
      state === STATE.promised ||
      state === STATE.splitting
    ) {
      if (ledger.move(chunk, word, wordOf(STATE.dirty))) reaped++;
    }
  }
  return reaped;
}
