import type net from 'node:net';
import { monotonicMicros } from '../clock.ts';
import type { ControlFile } from '../control/contracts.ts';
import { GIVEN, SESSION, SESSION_WORDS, SESSIONS, WAITS_FUTEX, WAITS_NOT, WAITS_PIPE } from '../control/layout.ts';
import { ERRNO, errno, futexWait } from '../native/libc.ts';
import { timespecOf } from '../native/scratch.ts';

/** What the front end answered to a request. */
export interface Answer {
  /** One of `GIVEN`. */
  readonly status: number;
  readonly decideMicros: number;
  readonly releaseMicros: number;
}

/** What a waiter allows an answer to be late by, before it takes the agent for dead. */
const ANSWER_GRACE_MILLIS = 250;
/** How often a waiter looks by itself: a wake-up may be lost, and memory may come in another way. */
const LOOK_MILLIS = 20;
/** A word that one can only wait on. */
const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4));
/** Stands for the answer to a request that was withdrawn. */
const ANOTHER_WAY: Answer = { status: GIVEN.ok, decideMicros: 0, releaseMicros: 0 };

/**
 * The application's half of its session slot, used by the application or, for one that speaks over the socket, by its
 * agent in its name: one request at a time, answered by the front end's fast plane, and what the front end asks in turn
 * (reclaims). A request and its answer carry the same number, so a late answer to an old request is never taken for the
 * answer to a new one.
 */
export class RequestSlot {
  readonly #words: Int32Array;
  readonly #address: number;
  readonly #at: number;
  readonly #ring: () => void;
  readonly #pipe: net.Socket;
  #wake: (() => void) | undefined;
  #abandon: (() => void) | undefined;
  #seenReclaim: number;

  /** @param pipe becomes readable when the front end has something to say. @param ring wakes the front end. */
  constructor(file: ControlFile, session: number, pipe: net.Socket, ring: () => void) {
    this.#words = file.words;
    this.#address = file.address;
    this.#at = SESSIONS + session * SESSION_WORDS;
    this.#pipe = pipe;
    this.#ring = ring;
    this.#seenReclaim = Atomics.load(file.words, this.#at + SESSION.reclaimSeq);
  }

  /**
   * Asks for chunks and blocks the thread until the answer.
   * @param enough looked at now and then: whether the domain has come to enough in another way, so that nobody need wait for
   * a donor. @returns undefined when the agent does not answer.
   */
  askBlocking(chunks: number, deadlineMillis: number, enough: () => boolean): Answer | undefined {
    const giveUp = monotonicMicros() + (deadlineMillis + ANSWER_GRACE_MILLIS) * 1000;
    const seq = this.#post(chunks, deadlineMillis, WAITS_FUTEX);
    const at = this.#at + SESSION.responseSeq;
    let seen = Atomics.load(this.#words, at);
    while (seen !== seq && monotonicMicros() < giveUp) {
      const slept = futexWait(this.#address + at * 4, seen, timespecOf(LOOK_MILLIS));
      // Granted pages are no memory that a futex can be in.
      if (slept !== 0 && errno() === ERRNO.EFAULT) Atomics.wait(NOBODY_WAKES, 0, 0, 1);
      seen = Atomics.load(this.#words, at);
      if (seen !== seq && chunks > 0 && enough()) return this.#withdraw();
    }
    return this.#take(seq);
  }

  /** As `askBlocking`; the event loop goes on meanwhile. */
  ask(chunks: number, deadlineMillis: number, enough: () => boolean): Promise<Answer | undefined> {
    const seq = this.#post(chunks, deadlineMillis, WAITS_PIPE);
    return new Promise((resolve) => {
      this.#pipe.ref();
      const finish = (answer: Answer | undefined): void => {
        clearTimeout(timer);
        clearInterval(looking);
        this.#wake = undefined;
        this.#abandon = undefined;
        this.#pipe.unref();
        resolve(answer);
      };
      const timer = setTimeout(() => finish(this.#take(seq)), deadlineMillis + ANSWER_GRACE_MILLIS);
      const looking = setInterval(() => {
        if (chunks > 0 && enough()) finish(this.#withdraw());
      }, LOOK_MILLIS);
      this.#abandon = () => finish(undefined);
      this.#wake = () => {
        if (Atomics.load(this.#words, this.#at + SESSION.responseSeq) === seq) finish(this.#take(seq));
      };
      this.#wake();
    });
  }

  /** Waits for no answer any more, and leaves the slot as it is: it may belong to another session from now on. */
  abandon(): void {
    this.#abandon?.();
  }

  /** The pipe has become readable: an answer, a reclaim, or both. @returns chunks newly asked back, mostly 0. */
  woken(): number {
    this.#wake?.();
    const seq = Atomics.load(this.#words, this.#at + SESSION.reclaimSeq);
    if (seq === this.#seenReclaim) return 0;
    this.#seenReclaim = seq;
    return Math.max(0, Atomics.load(this.#words, this.#at + SESSION.reclaimChunks));
  }

  /** Tells the front end how much could be asked back: a hint for the choice of donors. */
  tellRevocable(chunks: number): void {
    Atomics.store(this.#words, this.#at + SESSION.revocableChunks, chunks);
  }

  #post(chunks: number, deadlineMillis: number, waits: number): number {
    const words = this.#words;
    const seq = (Atomics.load(words, this.#at + SESSION.requestSeq) + 1) | 0;
    words[this.#at + SESSION.requestChunks] = chunks;
    words[this.#at + SESSION.requestDeadlineMicros] = Math.round(deadlineMillis * 1000);
    Atomics.store(words, this.#at + SESSION.waits, waits);
    Atomics.store(words, this.#at + SESSION.requestSeq, seq);
    this.#ring();
    return seq;
  }

  /** Asks for nothing instead: what was promised so far would be kept from everybody until the deadline otherwise. */
  #withdraw(): Answer {
    this.#post(0, 0, WAITS_NOT);
    return ANOTHER_WAY;
  }

  #take(seq: number): Answer | undefined {
    const words = this.#words;
    Atomics.store(words, this.#at + SESSION.waits, WAITS_NOT);
    if (Atomics.load(words, this.#at + SESSION.responseSeq) !== seq) return undefined;
    return {
      status: words[this.#at + SESSION.responseStatus]!,
      decideMicros: words[this.#at + SESSION.decideMicros]!,
      releaseMicros: words[this.#at + SESSION.releaseMicros]!,
    };
  }
}
