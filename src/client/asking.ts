import { monotonicMicros } from '../clock.ts';

/** A request to other domains, from its first attempt to its deadline. */
export class Asking {
  readonly started = monotonicMicros();
  readonly #deadlineMillis: number;
  /** Chunks asked for at the last attempt. */
  chunks = 0;

  constructor(deadlineMillis: number) {
    this.#deadlineMillis = deadlineMillis;
  }

  get leftMillis(): number {
    return Math.max(0, this.#deadlineMillis - (monotonicMicros() - this.started) / 1000);
  }
}
