import type { Clock } from '../clock.ts';
import { BACK, SESSION, SESSION_ACTIVE, SESSION_SLOTS, SESSION_WORDS, SESSIONS } from '../control/layout.ts';
import type { BackendCall } from './agent-protocol.ts';

/** Of a heart that beats every 100 ms: five beats missed. */
const STALE_MICROS = 500_000;
/** Looks that must have found it still: an agent that was stopped itself has missed beats, and not the back end. */
const STALE_LOOKS = 4;
/** A request that stays unanswered is told again: a link may lose what it carries. */
const TELL_AGAIN_MICROS = 300_000;

/**
 * Sends the requests of a domain's applications over the slow link while the back end's heartbeat in the control file
 * stands still. They stay in the ring too: whichever way is first, the back end knows a request by its number and serves it
 * once, and the front end takes one answer. So there is no moment of handing over at which one could be lost or doubled.
 */
export class NeedHandOver {
  readonly #words: Int32Array;
  readonly #clock: Clock;
  readonly #tell: (call: BackendCall) => boolean;
  readonly #toldIds = new Int32Array(SESSION_SLOTS);
  readonly #toldMicros = new Float64Array(SESSION_SLOTS).fill(Number.NEGATIVE_INFINITY);
  #heartbeat: number;
  #beatMicros: number;
  #looks = 0;
  #told = 0;

  /** @param tell over the slow link. @returns false when that is down. */
  constructor(words: Int32Array, clock: Clock, tell: (call: BackendCall) => boolean) {
    this.#words = words;
    this.#clock = clock;
    this.#tell = tell;
    this.#heartbeat = Atomics.load(words, BACK.heartbeat);
    this.#beatMicros = clock.monotonicMicros();
  }

  /** Whether the shared-memory side of the pair is stale. */
  get isStale(): boolean {
    return this.#looks >= STALE_LOOKS && this.#clock.monotonicMicros() - this.#beatMicros >= STALE_MICROS;
  }

  /** Requests told over the slow link so far. */
  get told(): number {
    return this.#told;
  }

  /** What is due some ten times a second. */
  look(): void {
    const heartbeat = Atomics.load(this.#words, BACK.heartbeat);
    if (heartbeat !== this.#heartbeat) {
      this.#heartbeat = heartbeat;
      this.#beatMicros = this.#clock.monotonicMicros();
      this.#looks = 0;
      return;
    }
    this.#looks++;
    if (!this.isStale) return;
    for (let session = 1; session < SESSION_SLOTS; session++) this.#handOver(session);
  }

  #handOver(session: number): void {
    const words = this.#words;
    const at = SESSIONS + session * SESSION_WORDS;
    if (Atomics.load(words, at + SESSION.state) !== SESSION_ACTIVE) return;
    const id = Atomics.load(words, at + SESSION.requestSeq);
    if (id === Atomics.load(words, at + SESSION.responseSeq)) return;
    const now = this.#clock.monotonicMicros();
    if (id === this.#toldIds[session] && now - this.#toldMicros[session]! < TELL_AGAIN_MICROS) return;
    const chunks = words[at + SESSION.requestChunks]!;
    const deadlineMicros = words[at + SESSION.requestDeadlineMicros]!;
    if (chunks < 1 || deadlineMicros < 0) return; // the fast plane refuses it
    if (!this.#tell({ op: 'need', id, session, chunks, deadlineMicros })) return;
    this.#toldIds[session] = id;
    this.#toldMicros[session] = now;
    this.#told++;
  }
}
