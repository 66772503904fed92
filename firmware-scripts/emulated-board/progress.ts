/** Waits that are seen: each says what it waits for, since when, and until when at most. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MemtideError } from '../../src/errors.ts';

const POLL_MILLIS = 200;
/** A wait that takes longer is told of in between, so that nobody takes it for hung. */
const REMINDER_SECONDS = 30;

export interface Wait<T> {
  /** What shall become true: "dom0 is ready". */
  readonly what: string;
  /** On an idle machine most waits end in a tenth of this: everything is emulated, and others may be at work. */
  readonly deadlineSeconds: number;
  /** Where to look when it does not. */
  readonly remedy: string;
  /** Between two looks; 200 when left out. */
  readonly pollMillis?: number;
  /** Looked at until it gives something. What it throws ends the wait. */
  readonly attempt: () => T | undefined | Promise<T | undefined>;
}

export class Progress {
  readonly #write: (text: string) => void;
  readonly #started = performance.now();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  say(text: string): void {
    this.#write(`${text}\n`);
  }

  /** Something that takes as long as it takes, such as a build. */
  async step<T>(what: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    this.#done(what, started);
    return result;
  }

  /** @throws MemtideError when the deadline passes, or `ended` rejects first. */
  async wait<T>(
    { what, deadlineSeconds, remedy, pollMillis = POLL_MILLIS, attempt }: Wait<T>,
    ended: Promise<never>,
  ): Promise<T> {
    const started = performance.now();
    let reminded = 0;
    for (;;) {
      const result = await Promise.race([attempt(), ended]);
      if (result !== undefined) {
        this.#done(what, started);
        return result;
      }
      const seconds = (performance.now() - started) / 1000;
      if (seconds >= deadlineSeconds) {
        throw new MemtideError({
          operation: 'wait for the emulated board',
          object: what,
          expected: `within ${deadlineSeconds} s`,
          actual: 'not yet',
          remedy,
        });
      }
      if (seconds - reminded >= REMINDER_SECONDS) {
        reminded = seconds;
        this.say(`  … ${what}? ${Math.floor(seconds)} s of at most ${deadlineSeconds}`);
      }
      await Promise.race([sleep(pollMillis), ended]);
    }
  }

  #done(what: string, started: number): void {
    const seconds = (performance.now() - started) / 1000;
    const all = (performance.now() - this.#started) / 1000;
    this.say(`  ✔ ${what} (${seconds.toFixed(1)} s, ${all.toFixed(0)} s in all)`);
  }
}
