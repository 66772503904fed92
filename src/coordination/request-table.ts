import { MAX_PAIRS } from './sources.ts';

/**
 * Requests that wait for donors: a fixed number of slots in typed arrays, since this lives on the fast plane.
 * A pair never has two slots for one session: an application has one request at a time.
 */
const CAPACITY = 256;

export class RequestTable {
  readonly capacity = CAPACITY;
  readonly active = new Uint8Array(CAPACITY);
  readonly pair = new Int32Array(CAPACITY);
  readonly session = new Int32Array(CAPACITY);
  readonly id = new Int32Array(CAPACITY);
  readonly wanted = new Int32Array(CAPACITY);
  readonly got = new Int32Array(CAPACITY);
  /** Chunks that donors were asked for on this request's behalf. */
  readonly awaited = new Int32Array(CAPACITY);
  readonly startMicros = new Float64Array(CAPACITY);
  readonly deadlineMicros = new Float64Array(CAPACITY);
  readonly decidedMicros = new Float64Array(CAPACITY);
  /** Requests of each pair, so that a pair without any is looked up at once however many the others have. */
  readonly #ofPair = new Int32Array(MAX_PAIRS);
  readonly #gotByPair = new Int32Array(MAX_PAIRS);
  count = 0;

  /** The request of a session, or -1. */
  find(pair: number, session: number): number {
    if (this.#ofPair[pair] === 0) return -1;
    for (let slot = 0; slot < CAPACITY; slot++) {
      if (this.active[slot] === 1 && this.pair[slot] === pair && this.session[slot] === session) return slot;
    }
    return -1;
  }

  /** @returns the slot, or -1 when all are taken. The session has no other (`find`). */
  add(pair: number, session: number, id: number, wanted: number, startMicros: number, deadlineMicros: number): number {
    const free = this.active.indexOf(0);
    if (free < 0) return -1;
    this.active[free] = 1;
    this.pair[free] = pair;
    this.session[free] = session;
    this.id[free] = id;
    this.wanted[free] = wanted;
    this.got[free] = 0;
    this.awaited[free] = 0;
    this.startMicros[free] = startMicros;
    this.deadlineMicros[free] = deadlineMicros;
    this.decidedMicros[free] = 0;
    this.#ofPair[pair] = this.#ofPair[pair]! + 1;
    this.count++;
    return free;
  }

  missing(slot: number): number {
    return this.wanted[slot]! - this.got[slot]!;
  }

  /** Chunks that a pair's requests still miss: it will hold that many more. */
  missingOf(pair: number): number {
    if (this.#ofPair[pair] === 0) return 0;
    let missing = 0;
    for (let slot = 0; slot < CAPACITY; slot++) {
      if (this.active[slot] === 1 && this.pair[slot] === pair) missing += this.missing(slot);
    }
    return missing;
  }

  /** Chunks that all requests together still miss. */
  missingOfAll(): number {
    let missing = 0;
    for (let slot = 0; slot < CAPACITY && this.count > 0; slot++) {
      if (this.active[slot] === 1) missing += this.missing(slot);
    }
    return missing;
  }

  /** One chunk has been promised to a request. */
  noteGot(slot: number): void {
    const pair = this.pair[slot]!;
    this.got[slot] = this.got[slot]! + 1;
    this.#gotByPair[pair] = this.#gotByPair[pair]! + 1;
  }

  /** Chunks promised to a pair's open requests: they go back if those fail. */
  gotOf(pair: number): number {
    return this.#gotByPair[pair]!;
  }

  remove(slot: number): void {
    const pair = this.pair[slot]!;
    this.#gotByPair[pair] = this.#gotByPair[pair]! - this.got[slot]!;
    this.#ofPair[pair] = this.#ofPair[pair]! - 1;
    this.active[slot] = 0;
    this.count--;
  }

  /** The request that has waited longest and still misses chunks; -1 when there is none. */
  oldestMissing(): number {
    if (this.count === 0) return -1;
    let oldest = -1;
    for (let slot = 0; slot < CAPACITY; slot++) {
      if (this.active[slot] === 0 || this.missing(slot) <= 0) continue;
      if (oldest < 0 || this.startMicros[slot]! < this.startMicros[oldest]!) oldest = slot;
    }
    return oldest;
  }
}
