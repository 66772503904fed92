import { futexWait, futexWake } from '../native/libc.ts';
import { timespecOf } from '../native/scratch.ts';
import type { DoorbellRinger, DoorbellWaiter } from './contracts.ts';
import { BELL, BELL_PENDING_WORDS } from './layout.ts';

/** Longest wait: an endless one keeps a worker's process from exiting. */
export const MAX_WAIT_MILLIS = 250;

/** Between two looks at the clock: together they take about a microsecond. */
const LOOKS = 16;

/** A bell's words in a shared mapping. */
export interface BellPlace {
  readonly words: Int32Array;
  /** Index of the bell's first word. */
  readonly at: number;
  /** Address of `words[0]` in this process. */
  readonly address: number;
}

/**
 * The doorbell of one machine: a futex on a word of shared memory. Ringing costs a system call only when the other side
 * sleeps; waking costs what the scheduler charges.
 */
export class FutexRinger implements DoorbellRinger {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #seqAddress: number;

  constructor({ words, at, address }: BellPlace) {
    this.#words = words;
    this.#at = at;
    this.#seqAddress = address + (at + BELL.seq) * 4;
  }

  ring(source: number): void {
    const words = this.#words;
    Atomics.or(words, this.#at + BELL.pending + ((source >>> 5) & (BELL_PENDING_WORDS - 1)), 1 << (source & 31));
    Atomics.add(words, this.#at + BELL.seq, 1);
    if (Atomics.load(words, this.#at + BELL.waiting) !== 0) futexWake(this.#seqAddress, 1);
  }

  close(): void {}
}

export class FutexWaiter implements DoorbellWaiter {
  readonly pending = new Int32Array(BELL_PENDING_WORDS);
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #seqAddress: number;
  /** How long to look at the word before sleeping; only worth it when the two sides have a CPU each. */
  spinMicros = 0;

  constructor({ words, at, address }: BellPlace) {
    this.#words = words;
    this.#at = at;
    this.#seqAddress = address + (at + BELL.seq) * 4;
  }

  wait(timeoutMillis: number): boolean {
    const words = this.#words;
    if (this.#collect() || this.#any()) return true;
    if (timeoutMillis <= 0) return false;
    if (this.spinMicros > 0 && this.#spin()) return true;
    const seq = Atomics.load(words, this.#at + BELL.seq);
    Atomics.store(words, this.#at + BELL.waiting, 1);
    // The word may have been rung between the look and the store: look again before sleeping (layout.ts, bells).
    if (!this.#collect()) futexWait(this.#seqAddress, seq, timespecOf(Math.min(timeoutMillis, MAX_WAIT_MILLIS)));
    Atomics.store(words, this.#at + BELL.waiting, 0);
    return this.#collect() || this.#any();
  }

  close(): void {}

  #spin(): boolean {
    const until = performance.now() + this.spinMicros / 1000;
    do {
      for (let look = 0; look < LOOKS; look++) if (this.#collect()) return true;
    } while (performance.now() < until);
    return false;
  }

  #collect(): boolean {
    let seen = 0;
    for (let word = 0; word < BELL_PENDING_WORDS; word++) {
      const at = this.#at + BELL.pending + word;
      // An atomic load, not a plain one: arm64 may move a plain load above the store of `waiting`.
      if (Atomics.load(this.#words, at) === 0) continue;
      const bits = Atomics.exchange(this.#words, at, 0);
      this.pending[word] = (this.pending[word] as number) | bits;
      seen |= bits;
    }
    return seen !== 0;
  }

  #any(): boolean {
    for (let word = 0; word < BELL_PENDING_WORDS; word++) if (this.pending[word] !== 0) return true;
    return false;
  }
}
