import { GIVEN } from '../control/layout.ts';
import type { Claimed, LeaseHolder, Refusal } from '../platforms/contracts.ts';
import { refusalOf } from './refusals.ts';
import type { Answer } from './request-slot.ts';

/**
 * Between the question and the claim, others of the domain may have taken what was counted upon, or the front end may be
 * scrubbing it. So it is asked again: at least so often, and until the deadline.
 */
const LEAST_ASKS = 4;

/**
 * One request that could not be met on the spot, from its first question to the lease or the refusal. Before it says no,
 * it looks whether the domain itself has enough by now: what a back end refuses may have been released meanwhile.
 */
export class BorrowAttempt {
  readonly byteLength: number;
  readonly startMicros: number;
  /** Sums over all answers. */
  decideMicros = 0;
  releaseMicros = 0;
  /** How often the front end was asked. */
  asks = 0;
  #asked = 0;
  readonly #space: LeaseHolder;
  readonly #revocable: boolean;
  readonly #untilMicros: number;

  constructor(space: LeaseHolder, byteLength: number, revocable: boolean, startMicros: number, deadlineMillis: number) {
    this.#space = space;
    this.byteLength = byteLength;
    this.#revocable = revocable;
    this.startMicros = startMicros;
    this.#untilMicros = startMicros + deadlineMillis * 1000;
  }

  /** The next question: so many chunks, 0 when the domain has enough and only has to scrub it. */
  chunksToAsk(): number {
    this.asks++;
    this.#asked = this.#space.missingChunks(this.byteLength, this.#revocable);
    return this.#asked;
  }

  /** Whether nothing is missing any more: an offer has come, or somebody has released. */
  readonly enough = (): boolean => this.#space.missingChunks(this.byteLength, this.#revocable) === 0;

  millisLeft(nowMicros: number): number {
    return Math.max(0, this.#untilMicros - nowMicros) / 1000;
  }

  /**
   * @param answer undefined when there was none: nothing is touched then, the session may not be this one's any more.
   * @returns what was claimed, why not, or undefined: ask again.
   */
  judge(answer: Answer | undefined, nowMicros: number): { claimed: Claimed } | { refusal: Refusal } | undefined {
    if (!answer) return { refusal: 'peer-gone' };
    this.decideMicros += answer.decideMicros;
    this.releaseMicros += answer.releaseMicros;
    const claimed = this.#space.claim(this.byteLength, this.#revocable);
    const refusal = claimed ? undefined : this.#refusal(answer, nowMicros);
    if (!claimed && !refusal) return undefined;
    this.#space.dropPromises();
    return claimed ? { claimed } : { refusal: refusal! };
  }

  #refusal(answer: Answer, nowMicros: number): Refusal | undefined {
    const missing = this.#space.missingChunks(this.byteLength, this.#revocable);
    // Less is missing now: an offer has come, or somebody has released. So much less may be there to be had.
    if (answer.status !== GIVEN.ok && missing > 0 && missing >= this.#asked) {
      return refusalOf(answer.status);
    }
    return this.asks >= LEAST_ASKS && nowMicros >= this.#untilMicros ? 'deadline' : undefined;
  }
}
