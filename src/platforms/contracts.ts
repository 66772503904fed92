import type { Bytes } from '../units.ts';

/**
 * What a machine offers for moving memory. Two kinds of route, and a platform may have both:
 * a `LeaseRoute` lends memory to applications that ask; a `ReservationRoute` changes what a whole domain may hold, for
 * applications that know nothing of memtide. Each has one contract-test suite that every implementation passes
 * (test/contract).
 */

/** A run of arena memory that a domain may use: `[offset, offset + length)` of the arena. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** Why a request was not met. An expected outcome: a result, not an error. */
export type Refusal =
  | 'pool-empty'
  | 'ceiling'
  | 'floor'
  | 'rate-limited'
  | 'deadline'
  | 'unknown-domain'
  | 'peer-gone'
  | 'not-supported';

export type ClaimResult =
  | { readonly ok: true; readonly extents: readonly Extent[]; readonly tierBytes: readonly [number, number, number] }
  | { readonly ok: false; readonly refusal: Refusal };

/** Arena memory, seen from the domain that leases it. */
export interface LeaseRoute {
  /** Takes `length` bytes from what was offered to the domain, with nobody else acting. */
  claim(length: Bytes): ClaimResult;
  /** Gives extents back. They come to nobody else before they are scrubbed. */
  release(extents: readonly Extent[]): void;
  /** Zeroes up to `budget` bytes of what was released and makes them claimable again. @returns bytes scrubbed. */
  scrub(budget: Bytes): Bytes;
  /** Asks for up to `length` unused bytes back. @returns bytes that are withdrawn as of now; never more. */
  revoke(length: Bytes): Bytes;
}

export interface ReservationLimits {
  /** Below this nobody takes memory from the domain. */
  readonly floor: Bytes;
  /** The entitlement: how far the domain may grow with nobody's consent. */
  readonly ceiling: Bytes;
}

export interface ReservationState {
  /** What the domain may hold now, as the enforcing side counts it. */
  readonly limit: Bytes;
  /** What it does hold, as the enforcing side counts it. */
  readonly used: Bytes;
}

export type MoveResult =
  | { readonly ok: true; readonly limit: Bytes }
  /** `limit` is where the route stands now; it may have moved part of the way. */
  | { readonly ok: false; readonly refusal: Refusal; readonly limit: Bytes; readonly reason: string };

/** A domain's whole reservation: a budget that something refuses to let the domain exceed. */
export interface ReservationRoute {
  /** The name of what enforces it, for people: `cgroup v2`, `RLIMIT_DATA`. */
  readonly enforcedBy: string;
  readonly limits: ReservationLimits;
  /** @throws MemtideError when the enforcing side cannot be read. */
  state(): ReservationState;
  /** Raises the limit by `by`. Never above the ceiling: refused whole, nothing moved. */
  grow(by: Bytes): MoveResult;
  /**
   * Lowers the limit by `by`, never below the floor nor below what is used: then it is refused whole. What it returns
   * as moved is free for others from that moment on (donors free before recipients grow).
   */
  shrink(by: Bytes): MoveResult;
  /** Undoes what the route set up outside the process (a cgroup directory); limits of running programs are lifted. */
  close(): void;
}

