/**
 * A guest's whole reservation, moved by its own balloon: the guest writes its target, and Xen alone grants or refuses, by
 * `max_pages` and its free heap. Nobody else is on the way.
 */
import type { Clock } from '../../clock.ts';
import { type Bytes, bytes, formatBytes, MIB } from '../../units.ts';
import type { MoveResult, Refusal, ReservationLimits, ReservationRoute, ReservationState } from '../contracts.ts';
import type { BalloonDriver } from './balloon-driver.ts';
import { BalloonMove, PAGE_BYTES } from './balloon-move.ts';

const LOOK_MILLIS = 2;
/** A page of a Xen with much to do takes no longer; on the emulated board the first came after 28 to 52 ms. */
const STALL_MILLIS = 250;
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
  /** Blocks this thread; only `grow` and `shrink` call it. */
  readonly sleep: (millis: number) => void;
}

/** A move under way, or why there is none. */
export type BegunMove =
  | { readonly ok: true; readonly move: BalloonMove }
  | { readonly ok: false; readonly refused: MoveResult & { readonly ok: false } };

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

  /** How far `grow` can go now. */
  get mostBytes(): Bytes {
    const { bootBytes, growBeyondBoot = false } = this.#options;
    return growBeyondBoot ? this.limits.ceiling : bytes(Math.min(this.limits.ceiling, bootBytes));
  }

  /** Raises the limit, and blocks this thread until that is done or refused. */
  grow(by: Bytes): MoveResult {
    return this.#finish(this.beginGrow(by));
  }

  /** Lowers the limit, and blocks this thread until that is done or refused. */
  shrink(by: Bytes): MoveResult {
    return this.#finish(this.beginShrink(by));
  }

  /** @param ceiling of the limits, where nobody has consented to more. */
  beginGrow(by: Bytes, ceiling: Bytes = this.limits.ceiling): BegunMove {
    const { bootBytes, growBeyondBoot = false } = this.#options;
    const now = this.#options.driver.current();
    const wanted = wholePages(now + by);
    if (wanted > ceiling) return refuse('ceiling', now, `the ceiling is ${formatBytes(ceiling)}`);
    if (wanted > bootBytes && !growBeyondBoot) {
      const why = `the domain was booted with ${formatBytes(bootBytes)}; ballooning above that has crashed guests' kernels`;
      return refuse('not-supported', now, why);
    }
    return this.#begin(wanted, 'pool-empty', 'Xen has no free memory for it, or the domain’s max_pages forbids it');
  }

  beginShrink(by: Bytes): BegunMove {
    const { driver, directMapped = false } = this.#options;
    const now = driver.current();
    if (directMapped) {
      const why = 'the domain is direct-mapped: what it gives up never reaches Xen’s free heap';
      return refuse('not-supported', now, why);
    }
    const wanted = wholePages(Math.max(0, now - by));
    if (wanted < this.limits.floor) return refuse('floor', now, `the floor is ${formatBytes(this.limits.floor)}`);
    const free = driver.available() - HEADROOM_BYTES;
    if (by > free) return refuse('floor', now, `${formatBytes(Math.max(0, free))} can be given up without a stall`);
    return this.#begin(wanted, 'deadline', 'the kernel did not find so much to give up');
  }

  /** Nothing was set up; the reservation stays where it is. */
  close(): void {}

  #begin(wanted: Bytes, refusal: Refusal, reason: string): BegunMove {
    const { driver, clock, deadlineMillis, stallMillis = STALL_MILLIS } = this.#options;
    const move = new BalloonMove(wanted, { driver, clock, deadlineMillis, stallMillis, refusal, reason });
    return { ok: true, move };
  }

  #finish(begun: BegunMove): MoveResult {
    if (!begun.ok) return begun.refused;
    for (;;) {
      const result = begun.move.look();
      if (result) return result;
      this.#options.sleep(LOOK_MILLIS);
    }
  }
}

const wholePages = (count: number): Bytes => bytes(Math.round(count / PAGE_BYTES) * PAGE_BYTES);
const refuse = (refusal: Refusal, limit: Bytes, reason: string): BegunMove => ({
  ok: false,
  refused: { ok: false, refusal, limit, reason },
});
