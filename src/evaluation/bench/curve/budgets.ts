import type { Sizing } from '../../../policy/sizing.ts';
import { roundDown } from '../../../units.ts';

/** Which idle budgets a curve has, and how each is divided. Pure. */

/** Where a budget comes from, beside being a share of something. */
export type BudgetName = 'suggested' | 'worst case';

export interface Budget {
  readonly name?: BudgetName;
  /** Set aside for both domains' bursts, in bytes; idle while they have none. */
  readonly bytes: number;
}

/** Shares of what is suggested, below it. */
const BELOW = { quick: [0, 1 / 4, 1 / 2], full: [0, 1 / 8, 1 / 4, 1 / 2, 3 / 4] };
/** Shares of the way from there to the worst case. */
const ABOVE = { quick: [], full: [1 / 2] };

/** From nothing through what sizing suggests to every domain's own worst case; ascending, each size once. */
export function budgetsOf(sizing: Sizing, quick: boolean, granularity: number): Budget[] {
  const { idleBytes: suggested, worstCaseBytes: worst } = sizing;
  const length = quick ? 'quick' : 'full';
  const sizes = [
    ...BELOW[length].map((share) => suggested * share),
    suggested,
    ...ABOVE[length].map((share) => suggested + (worst - suggested) * share),
    worst,
  ].map((size) => roundDown(size, granularity));
  return [...new Set(sizes)].map((bytes) => {
    const name = bytes === worst ? 'worst case' : bytes === suggested ? 'suggested' : undefined;
    return { bytes, ...(name && { name }) };
  });
}

/** How memtide holds a budget: a reserve for each domain, and offers to each. In bytes. */
export interface Holding {
  readonly reserves: readonly number[];
  readonly offers: readonly number[];
}

/**
 * Up to what sizing suggests, its reserves in proportion; beyond it, reserves grow to the domains' worst cases. The rest
 * is the pool, offered to the domains in equal parts.
 */
export function divideBudget(budget: number, sizing: Sizing, peaks: readonly number[], granularity: number): Holding {
  const { idleBytes: suggested, worstCaseBytes: worst } = sizing;
  const below = suggested > 0 ? Math.min(1, budget / suggested) : 0;
  const beyond = worst > suggested ? Math.max(0, (budget - suggested) / (worst - suggested)) : 0;
  const reserves = sizing.reserveBytes.map((reserve, domain) =>
    roundDown(reserve * below + (peaks[domain]! - reserve) * beyond, granularity),
  );
  let pool = budget - reserves.reduce((sum, reserve) => sum + reserve, 0);
  const offers = reserves.map((_, domain) => {
    const part = roundDown(pool / (reserves.length - domain), granularity);
    pool -= part;
    return part;
  });
  return { reserves, offers };
}

/** How a static split holds the same budget: in proportion to the domains' worst cases, which it would have to know. */
export function staticShares(budget: number, peaks: readonly number[], granularity: number): number[] {
  let left = budget;
  let weights = peaks.reduce((sum, peak) => sum + peak, 0);
  return peaks.map((peak) => {
    const share = weights > 0 ? roundDown((left * peak) / weights, granularity) : 0;
    left -= share;
    weights -= peak;
    return share;
  });
}
