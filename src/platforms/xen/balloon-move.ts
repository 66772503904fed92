/**
 * One move of a balloon towards a size, looked at as often as its owner likes: nobody has to wait for it.
 *
 * The driver reaches a target when it can. After a failure it waits 2, 4, 8 … s, in the end up to an hour, and the wait
 * ends when the distance to the target changes: a target that stands still for a while is moved by a page and back.
 */
import type { Clock } from '../../clock.ts';
import { type Bytes, bytes, KIB } from '../../units.ts';
import type { MoveResult, Refusal } from '../contracts.ts';
import type { BalloonDriver } from './balloon-driver.ts';

export const PAGE_BYTES = 4 * KIB;
/** In a row: a first time may have come just as the driver was about to go on. */
const MOST_NUDGES = 2;

export interface BalloonMoveOptions {
  readonly driver: BalloonDriver;
  readonly clock: Clock;
  /** Longest that the move may take. */
  readonly deadlineMillis: number;
  /** A target that stands still for this long is nudged, and given up after some nudges. */
  readonly stallMillis: number;
  /** What a move that stands still comes to. */
  readonly refusal: Refusal;
  readonly reason: string;
}

export class BalloonMove {
  readonly #options: BalloonMoveOptions;
  readonly #startedMicros: number;
  #wanted: Bytes;
  #current: Bytes;
  #movedAtMicros: number;
  #nudges = 0;
  #isNudging = false;

  /** Tells the driver at once. @param wanted a multiple of 4 KiB. */
  constructor(wanted: Bytes, options: BalloonMoveOptions) {
    this.#options = options;
    this.#wanted = wanted;
    this.#startedMicros = options.clock.monotonicMicros();
    this.#movedAtMicros = this.#startedMicros;
    options.driver.setTarget(wanted);
    this.#current = options.driver.current();
  }

  get wanted(): Bytes {
    return this.#wanted;
  }

  /** Another size, while it is under way: a need that rises on is not waited for. The deadline stays. */
  retarget(wanted: Bytes): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#isNudging = false;
    this.#options.driver.setTarget(wanted);
  }

  /**
   * Looks how far it has come, and wakes a driver that has gone to sleep.
   * @returns undefined while it is under way. A target that was not reached is taken back to where it has come to, so that
   * nothing moves later by itself.
   */
  look(): MoveResult | undefined {
    const { driver, clock, deadlineMillis, stallMillis, refusal, reason } = this.#options;
    // The driver has to see the other target in between: it compares when it is woken, not when it is told.
    if (this.#isNudging) driver.setTarget(this.#wanted);
    this.#isNudging = false;
    const next = driver.current();
    const now = clock.monotonicMicros();
    if (next !== this.#current) this.#movedAtMicros = now;
    if (Math.abs(this.#wanted - next) < Math.abs(this.#wanted - this.#current)) this.#nudges = 0;
    this.#current = next;
    if (next === this.#wanted) return { ok: true, limit: next };
    if (now - this.#startedMicros >= deadlineMillis * 1000)
      return this.giveUp('deadline', `not within ${deadlineMillis} ms`);
    if (now - this.#movedAtMicros >= stallMillis * 1000) {
      if (this.#nudges++ === MOST_NUDGES) return this.giveUp(refusal, reason);
      driver.setTarget(bytes(this.#wanted > next ? this.#wanted - PAGE_BYTES : this.#wanted + PAGE_BYTES));
      this.#isNudging = true;
      this.#movedAtMicros = now;
    }
    return undefined;
  }

  /** Ends it where it stands. */
  giveUp(refusal: Refusal, reason: string): MoveResult {
    const { driver } = this.#options;
    driver.setTarget(driver.current());
    return { ok: false, refusal, limit: driver.current(), reason };
  }
}
