/**
 * A guest's whole reservation, moved by its own balloon: the guest writes its target, and Xen alone grants or refuses, by
 * `max_pages` and its free heap. Nobody else is on the way.
 *
 * The driver reaches a target when it can. After a failure it waits 2, 4, 8 … s, in the end up to an hour, and the wait
 * ends when the distance to the target changes: a target that stands still for a while is moved by a page and back.
 */
import type { Clock } from '../../clock.ts';
import { type Bytes, bytes, formatBytes, KIB, MIB } from '../../units.ts';
import type { MoveResult, Refusal, ReservationLimits, ReservationRoute, ReservationState } from '../contracts.ts';
import type { BalloonDriver } from './balloon-driver.ts';

const PAGE_BYTES = 4 * KIB;
const LOOK_MILLIS = 2;
/** A page of a Xen with much to do takes no longer; on the emulated board the first came after 28 to 52 ms. */
const STALL_MILLIS = 250;
/** In a row: a first time may have come just as the driver was about to go on. */
const MOST_NUDGES = 2;
/** Stays available to the kernel and its programs whatever is asked for: below it the kernel reclaims, and stalls. */
const HEADROOM_BYTES = 16 * MIB;

export interface BalloonRouteOptions {
  readonly driver: BalloonDriver;
  readonly limits: ReservationLimits;
  /** What the domain was booted with (xenstore `memory/static-max`). */
  readonly bootBytes: Bytes;
  /** Growing above it oopsed guests; only a board's profile (`grow_beyond_boot`) says that it does not there. */
  readonly growBeyondBoot?: boolean;
  /** As Xen's feature bits say: dom0 on ARM is. */
  readonly directMapped?: boolean;
  /** Longest that a move may take. 0.1 to 0.5 ms a MiB on boards, some 20 in the emulator. */
  readonly deadlineMillis: number;
  /** A target that stands still for this long is nudged, and given up after some nudges; 250 when left out. */
  readonly stallMillis?: number;
  readonly clock: Clock;
  /** Blocks this thread. */
  readonly sleep: (millis: number) => void;
}

export class BalloonRoute implements ReservationRoute {
  readonly enforcedBy = 'Xen (balloon)';
  limits: ReservationLimits;
  readonly #options: BalloonRouteOptions;

  constructor(options: BalloonRouteOptions) {
    this.#options = options;
    this.limits = options.limits;
  }

  state(): ReservationState {
    const limit = this.#options.driver.current();
    return { limit, used: bytes(Math.max(0, limit - this.#options.driver.available())) };
  }

  grow(by: Bytes): MoveResult {
    const { bootBytes, growBeyondBoot = false } = this.#options;
    const now = this.#options.driver.current();
    const wanted = wholePages(now + by);
    if (wanted > this.limits.ceiling)
      return refuse('ceiling', now, `the ceiling is ${formatBytes(this.limits.ceiling)}`);
    if (wanted > bootBytes && !growBeyondBoot) {
      const why = `the domain was booted with ${formatBytes(bootBytes)}; ballooning above that has crashed guests' kernels`;
      return refuse('not-supported', now, why);
    }
    return this.#move(wanted, 'pool-empty', 'Xen has no free memory for it, or the domain’s max_pages forbids it');
  }

  shrink(by: Bytes): MoveResult {
    const { driver, directMapped = false } = this.#options;
    const now = driver.current();
    if (directMapped) {
      return refuse(
        'not-supported',
        now,
        'the domain is direct-mapped: what it gives up never reaches Xen’s free heap',
      );
    }
    const wanted = wholePages(now - by);
    if (wanted < this.limits.floor) return refuse('floor', now, `the floor is ${formatBytes(this.limits.floor)}`);
    const free = driver.available() - HEADROOM_BYTES;
    if (by > free) return refuse('floor', now, `${formatBytes(Math.max(0, free))} can be given up without a stall`);
    return this.#move(wanted, 'deadline', 'the kernel did not find so much to give up');
  }

  /** Nothing was set up; the reservation stays where it is. */
  close(): void {}

  /** @returns where it has come to; a target that was not reached is taken back to there, so that nothing moves later. */
  #move(wanted: Bytes, refusal: Refusal, reason: string): MoveResult {
    const { driver, clock, deadlineMillis, stallMillis = STALL_MILLIS, sleep } = this.#options;
    const millisSince = (start: number): number => (clock.monotonicMicros() - start) / 1000;
    const started = clock.monotonicMicros();
    driver.setTarget(wanted);
    let current = driver.current();
    let movedAt = started;
    let nudges = 0;
    while (current !== wanted) {
      if (millisSince(started) >= deadlineMillis) return this.#giveUp('deadline', `not within ${deadlineMillis} ms`);
      if (millisSince(movedAt) >= stallMillis) {
        if (nudges++ === MOST_NUDGES) return this.#giveUp(refusal, reason);
        // The driver has to see it in between: it compares when it is woken, not when it is told.
        driver.setTarget(bytes(wanted > current ? wanted - PAGE_BYTES : wanted + PAGE_BYTES));
        sleep(LOOK_MILLIS);
        driver.setTarget(wanted);
        movedAt = clock.monotonicMicros();
      }
      sleep(LOOK_MILLIS);
      const next = driver.current();
      if (next !== current) movedAt = clock.monotonicMicros();
      if (Math.abs(wanted - next) < Math.abs(wanted - current)) nudges = 0;
      current = next;
    }
    return { ok: true, limit: wanted };
  }

  #giveUp(refusal: Refusal, reason: string): MoveResult {
    const { driver } = this.#options;
    driver.setTarget(driver.current());
    return refuse(refusal, driver.current(), reason);
  }
}

const wholePages = (count: number): Bytes => bytes(Math.round(count / PAGE_BYTES) * PAGE_BYTES);
const refuse = (refusal: Refusal, limit: Bytes, reason: string): MoveResult => ({ ok: false, refusal, limit, reason });
