import type { Bytes } from '../units.ts';

/**
 * What a machine offers for moving memory. Two kinds of route, and a platform may have both:
 * a lease route (`LeaseHolder`, `LeaseKeeper`) lends memory to applications that ask; a `ReservationRoute` changes what a
 * whole domain may hold, for applications that know nothing of memtide. Each has one contract-test suite that every
 * implementation passes (test/contract).
 */

/** A run of arena memory: `[offset, offset + length)`. */
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
  | 'fragmented'
  | 'peer-gone'
  | 'not-supported';

/** A claim whose pieces are not neighbours; in this order they make up the lease. */
export interface ScatteredPieces {
  readonly chunks: Int32Array;
  /** Counted from the start of the arena. They follow the chunks. */
  readonly blocks: Int32Array;
}

/**
 * What a claim took: enough to find the memory and to give it back. All of it is leased to one session. A chunk is what
 * changes hands between domains, a block the smallest lease; both are numbered from the start of the arena.
 */
export interface Claimed {
  /** First chunk of a run of neighbours, or -1 when the pieces are `scattered`. */
  readonly start: number;
  readonly chunks: number;
  /** Blocks, from `firstBlock` on, of the chunk after the run (of chunk `start` when `chunks` is 0). */
  readonly blocks: number;
  readonly firstBlock: number;
  readonly scattered: ScatteredPieces | undefined;
  /** What it holds beyond what was asked for: less than a block, or less than a chunk if it is revocable. */
  readonly slackBytes: number;
  /** Where it came from: tiers 0, 1 and 2. */
  readonly reserveBytes: number;
  readonly poolBytes: number;
  readonly peerBytes: number;
}

/**
 * A lease route has two ends in a domain. This is the application's: any number of them, each under a session number
 * of its own. Neither call wakes or asks anybody.
 */
export interface LeaseHolder {
  readonly chunkBytes: number;
  readonly blockBytes: number;
  /**
   * Takes memory that the domain holds and nobody uses, in any pieces: what was offered to it or promised to the session,
   * free blocks of split chunks, and what was released and is not scrubbed yet, which it then zeroes itself.
   * @param byteLength above 0. @param revocable whole chunks, that the domain may be asked for.
   * @param contiguous one stretch of the arena or nothing.
   * @returns undefined when there is not enough: nothing is taken then.
   */
  claim(byteLength: number, revocable: boolean, contiguous?: boolean): Claimed | undefined;
  /**
   * Chunks that the domain lacks for such a claim. 0: it holds enough; if a claim failed all the same, then a part of it
   * was being scrubbed, or in another claim that failed as well.
   */
  missingChunks(byteLength: number, revocable: boolean): number;
  /** Leaves to the whole domain what was promised to this session and is not needed any more. */
  dropPromises(): void;
  /** Gives back what this session claimed. It comes to nobody unscrubbed. Once per claim. */
  release(claimed: Claimed): void;
}

/** The end of the domain's front end: one at a time. Allocates nothing after its construction. */
export interface LeaseKeeper {
  /**
   * Zeroes what was released and makes it claimable again, up to `budgetBytes` (at least a block) at a time.
   * @returns bytes zeroed; 0 when nothing is left to do.
   */
  scrub(budgetBytes: number): number;
  /**
   * Hands up to `chunks` chunks that nobody uses to the lender, unscrubbed: released ones and reserve. Offers that nobody
   * has taken are the lender's own to withdraw. @returns how many.
   */
  revoke(chunks: number): number;
  /**
   * Takes back what a session holds. Only upon proof that it has ended.
   * @returns chunks released; blocks of split chunks are not counted.
   */
  reap(session: number): number;
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
  /** May be set anew: what moves from then on keeps to it, and what is beyond it already stays. */
  limits: ReservationLimits;
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
