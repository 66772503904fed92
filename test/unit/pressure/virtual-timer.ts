import { VirtualClock } from '../../../src/clock.ts';
import type { Timer } from '../../../src/pressure/timer.ts';

/** A clock and its timers, moved by hand: `run` goes to each due time in order and calls what is due there. */
export class VirtualTimer implements Timer {
  readonly clock = new VirtualClock();
  readonly #waiting: { at: number; run: () => void }[] = [];

  after(delayMicros: number, run: () => void): () => void {
    const entry = { at: this.clock.monotonicMicros() + Math.max(0, delayMicros), run };
    this.#waiting.push(entry);
    return () => {
      const index = this.#waiting.indexOf(entry);
      if (index >= 0) this.#waiting.splice(index, 1);
    };
  }

  run(micros: number): void {
    const until = this.clock.monotonicMicros() + micros;
    for (;;) {
      this.#waiting.sort((a, b) => a.at - b.at);
      const next = this.#waiting[0];
      if (!next || next.at > until) break;
      this.#waiting.shift();
      this.clock.advanceMicros(Math.max(0, next.at - this.clock.monotonicMicros()));
      next.run();
    }
    this.clock.advanceMicros(until - this.clock.monotonicMicros());
  }

  get pending(): number {
    return this.#waiting.length;
  }
}
