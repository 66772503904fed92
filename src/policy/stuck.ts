/**
 * When to stop asking a donor that does not deliver. A donor may be slow, buggy, suspended or hostile; whichever it
 * is, nobody else's burst may wait for it twice in a row for long.
 *
 * The rule, after Xen's squeezed: some deadlines missed in a row and the donor is *stuck*. It is left alone for a
 * back-off that doubles each time up to a cap, so a dead donor costs one missed deadline per cap and a recovered one is
 * found again within it. One delivery forgives everything. While it is stuck its entitlement is cut to what it
 * holds: it may not grow on the memory that it owes.
 */

export interface StuckRule {
  /** Deadlines missed in a row that make a donor stuck; at least 1. */
  readonly missesUntilStuck: number;
  readonly firstBackoffMicros: number;
  readonly largestBackoffMicros: number;
}

/** squeezed calls a guest stuck after 5 s without progress; three missed deadlines of ours are far sooner. */
export const DEFAULT_STUCK_RULE: StuckRule = {
  missesUntilStuck: 3,
  firstBackoffMicros: 1_000_000,
  largestBackoffMicros: 64_000_000,
};

/** What is remembered of each donor. Typed arrays: the fast plane writes them, `DonorTable` may share the last one. */
export interface ConductTable {
  readonly missed: Uint8Array;
  readonly backoffMicros: Float64Array;
  readonly stuckUntilMicros: Float64Array;
}

export function createConductTable(donors: number): ConductTable {
  return {
    missed: new Uint8Array(donors),
    backoffMicros: new Float64Array(donors),
    stuckUntilMicros: new Float64Array(donors),
  };
}

/**
 * `met`: all that was asked. `slow`: at least half of it, which is progress and neither held against the donor nor
 * forgiving it. `missed`: less. `stuck`: missed, and now left alone.
 */
export type Verdict = 'met' | 'slow' | 'missed' | 'stuck';

/** Judges one request at its deadline, or earlier when all of it has come back; updates `conduct` in place. */
export function judgeDonor(
  conduct: ConductTable,
  donor: number,
  asked: number,
  returned: number,
  nowMicros: number,
  rule: StuckRule,
): Verdict {
  if (returned >= asked) {
    forgive(conduct, donor);
    return 'met';
  }
  if (returned * 2 >= asked) return 'slow';
  // Requests made before the donor was found stuck run out now; they must not double the back-off once each.
  if (isStuck(conduct, donor, nowMicros)) return 'stuck';

  const missed = conduct.missed[donor]! + 1;
  if (missed < rule.missesUntilStuck) {
    conduct.missed[donor] = missed;
    return 'missed';
  }
  const backoff = conduct.backoffMicros[donor]! * 2 || rule.firstBackoffMicros;
  conduct.backoffMicros[donor] = Math.min(backoff, rule.largestBackoffMicros);
  conduct.stuckUntilMicros[donor] = nowMicros + conduct.backoffMicros[donor]!;
  // When the back-off is over the donor is on probation: its next miss makes it stuck again at once.
  conduct.missed[donor] = rule.missesUntilStuck - 1;
  return 'stuck';
}

export function isStuck(conduct: ConductTable, donor: number, nowMicros: number): boolean {
  return conduct.stuckUntilMicros[donor]! > nowMicros;
}

/** A late delivery, or a new incarnation of the domain: the slate is clean. */
export function forgive(conduct: ConductTable, donor: number): void {
  conduct.missed[donor] = 0;
  conduct.backoffMicros[donor] = 0;
  conduct.stuckUntilMicros[donor] = 0;
}

/** How far a domain may grow with nobody's consent: its ceiling, and while it is stuck no further than it is. */
export function entitlement(ceiling: number, limit: number, stuck: boolean): number {
  return stuck ? Math.min(ceiling, limit) : ceiling;
}
