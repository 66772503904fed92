/**
 * How large each domain's reserve and the common pool should be: as small as the *joint* distribution of the
 * bursts allows. Sizing each domain for its own worst case is over-provisioning with another name.
 *
 * A burst is covered when, at every moment of its life at which its domain's need exceeds its reserve, the pool
 * holds what all domains together need beyond their reserves. Where the pool falls short, every burst that draws on it
 * then counts as missed: which of them came first is not in the data, so this errs to the safe side.
 *
 *     overflow(t) = Σ_d max(0, need_d(t) − reserve_d)
 *     missed(b)   = overflow(t) > pool for some t in the life of b with need_d(b)(t) > reserve_d(b)
 *
 * 1. **The pool, given the reserves**, is an order statistic. Each burst requires a pool of its largest overflow(t);
 *    the smallest pool that misses at most the target share is the matching quantile of those requirements.
 * 2. **The smallest idle memory**, Σ reserve + pool. For a miss target of 0 no reserves beat none at all: whatever
 *    the reserves, Σ need(t) ≤ Σ reserve + pool at all t, and a pool of max Σ need(t) attains it. Bursts that never
 *    meet share one pool of the largest; bursts that always meet need the sum of their worst cases. For a target above 0
 *    a reserve can be cheaper (it takes a domain's bursts out of the pool's tail), so the reserves descend
 *    coordinate by coordinate from none, over quantiles of the domain's own peaks. The result never exceeds the best
 *    pool alone, and by that never the sum of worst cases; above 0 it is a local optimum.
 * 3. **Reserves for latency.** A reserve serves at tier 0, the pool at tier 1. Of all sizings as small as that, or larger
 *    by the premium at most, reserves are chosen greedily that serve most bursts on their own per extra byte.
 *    Premium 0 still takes the reserves that cost nothing; raising it walks along the curve of latency against idle bytes.
 *
 * The cost is rounds × domains × 16 × (moments + bursts): milliseconds for the hundred latest bursts of a few domains,
 * seconds for thousands of bursts of eight. Not for a tick.
 */
import { roundUp } from '../units.ts';
import type { JointNeed } from './joint-need.ts';

export interface SizingTarget {
  /** The share of bursts that reserve and pool may fail to cover, 0 to 1. */
  readonly missShare: number;
  /** Idle memory beyond the smallest that may be spent on serving from the reserve, as a share of the smallest. */
  readonly premiumShare: number;
  /** Sizes are multiples of this many bytes (a chunk, a balloon batch). */
  readonly granularityBytes: number;
}

/** All sizes in whole bytes. */
export interface Sizing {
  readonly reserveBytes: readonly number[];
  readonly poolBytes: number;
  /** Σ reserve + pool. */
  readonly idleBytes: number;
  /** Σ over the domains of the largest need: what a static split would hold. */
  readonly worstCaseBytes: number;
  /** Shares of the bursts in the history; `undefined` where it holds none. */
  readonly missedShare: number | undefined;
  readonly ownReserveShare: number | undefined;
  /** `thin`: fewer bursts than could show a miss share this small; the pool then covers all that was seen. */
  readonly evidence: 'enough' | 'thin' | 'none';
}

/** Reserve sizes tried per domain: quantiles of its own peaks. More gain little, for peaks within one quantile are alike. */
const CANDIDATES = 16;

export function sizeIdle(joint: JointNeed, target: SizingTarget): Sizing {
  const candidates = joint.needBytes.map((_, domain) => candidateReserves(joint, domain, target.granularityBytes));
  const noReserves = joint.needBytes.map(() => 0);
  const none = assess(joint, noReserves, overflowOf(joint, noReserves), target);
  const smallest = descend(joint, candidates, none, target);
  const chosen = spendPremium(joint, candidates, smallest, target);

  const bursts = joint.bursts.length;
  return {
    reserveBytes: chosen.reserves,
    poolBytes: chosen.pool,
    idleBytes: chosen.idle,
    worstCaseBytes: joint.needBytes.reduce((sum, need) => sum + need.reduce((a, b) => Math.max(a, b), 0), 0),
    missedShare: bursts === 0 ? undefined : chosen.missed / bursts,
    ownReserveShare: bursts === 0 ? undefined : chosen.own / bursts,
    evidence: bursts === 0 ? 'none' : bursts * target.missShare < 1 ? 'thin' : 'enough',
  };
}

/** Reserves with the smallest pool that belongs to them. */
interface Option {
  readonly reserves: readonly number[];
  readonly pool: number;
  readonly idle: number;
  /** Bursts missed, and bursts that their domain's reserve serves alone. */
  readonly missed: number;
  readonly own: number;
}

function assess(joint: JointNeed, reserves: readonly number[], overflow: Float64Array, target: SizingTarget): Option {
  const required = requiredPools(joint, overflow, reserves).sort();
  const mayMiss = Math.floor(target.missShare * required.length);
  const pool = roundUp(required[required.length - 1 - mayMiss] ?? 0, target.granularityBytes);
  return {
    reserves,
    pool,
    idle: reserves.reduce((sum, reserve) => sum + reserve, pool),
    missed: required.length - countUpTo(required, pool),
    own: countUpTo(required, 0),
  };
}

/** How many elements of an ascending array are at most `limit`. */
function countUpTo(sorted: Float64Array, limit: number): number {
  const index = sorted.findIndex((value) => value > limit);
  return index < 0 ? sorted.length : index;
}

/** What all domains together need beyond their reserves, at each moment. */
function overflowOf({ needBytes }: JointNeed, reserves: readonly number[]): Float64Array {
  const sum = new Float64Array(needBytes[0]?.length ?? 0);
  needBytes.forEach((need, domain) => {
    for (let at = 0; at < sum.length; at++) sum[at] = sum[at]! + beyond(need[at]!, reserves[domain]!);
  });
  return sum;
}

const beyond = (need: number, reserve: number): number => (need > reserve ? need - reserve : 0);

/** The pool that each burst requires, 0 for one that its reserve covers. */
function requiredPools(joint: JointNeed, overflow: Float64Array, reserves: readonly number[]): Float64Array {
  const pools = new Float64Array(joint.bursts.length);
  for (let index = 0; index < pools.length; index++) {
    const { domain, from, to } = joint.bursts[index]!;
    const need = joint.needBytes[domain]!;
    const reserve = reserves[domain]!;
    let required = 0;
    for (let at = from; at < to; at++) if (need[at]! > reserve && overflow[at]! > required) required = overflow[at]!;
    pools[index] = required;
  }
  return pools;
}

function candidateReserves(joint: JointNeed, domain: number, granularity: number): number[] {
  const peaks = joint.bursts.filter((burst) => burst.domain === domain).map((burst) => burst.peakBytes);
  peaks.sort((a, b) => a - b);
  const sizes = new Set([0]);
  for (let step = 1; step <= CANDIDATES; step++) {
    const peak = peaks[Math.ceil((step / CANDIDATES) * peaks.length) - 1];
    if (peak !== undefined) sizes.add(roundUp(peak, granularity));
  }
  return [...sizes];
}

/** Every option that changes one domain's reserve. */
function* neighbours(joint: JointNeed, candidates: readonly number[][], from: Option, target: SizingTarget) {
  const overflow = overflowOf(joint, from.reserves);
  const changed = new Float64Array(overflow.length);
  for (const [domain, sizes] of candidates.entries()) {
    const need = joint.needBytes[domain]!;
    const before = from.reserves[domain]!;
    for (const size of sizes) {
      if (size === before) continue;
      for (let at = 0; at < need.length; at++) {
        changed[at] = overflow[at]! - beyond(need[at]!, before) + beyond(need[at]!, size);
      }
      yield assess(joint, from.reserves.with(domain, size), changed, target);
    }
  }
}

function descend(joint: JointNeed, candidates: readonly number[][], start: Option, target: SizingTarget): Option {
  let best = start;
  for (;;) {
    let next = best;
    for (const option of neighbours(joint, candidates, best, target)) if (option.idle < next.idle) next = option;
    if (next === best) return best;
    best = next;
  }
}

function spendPremium(
  joint: JointNeed,
  candidates: readonly number[][],
  smallest: Option,
  target: SizingTarget,
): Option {
  const mostIdle = smallest.idle * (1 + target.premiumShare);
  let best = smallest;
  for (;;) {
    let next = best;
    let nextGain = 0;
    for (const option of neighbours(joint, candidates, best, target)) {
      if (option.idle > mostIdle || option.own <= best.own) continue;
      // Bursts gained per extra byte; a gain that costs nothing beats every one that does.
      const gain = (option.own - best.own) / Math.max(option.idle - best.idle, Number.EPSILON);
      if (gain > nextGain) {
        next = option;
        nextGain = gain;
      }
    }
    if (next === best) return best;
    best = next;
  }
}
