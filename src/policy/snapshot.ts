/** What the planner sees and what it answers: plain data, all sizes in bytes. */

export interface DomainView {
  readonly name: string;
  /** What the domain may hold now, as the enforcing side counts it. */
  readonly limit: number;
  /** What it does hold. */
  readonly used: number;
  /** What it should be allowed to hold: its use and its reserve target. */
  readonly wanted: number;
  readonly floor: number;
  readonly ceiling: number;
  /** A burst is on, or stalls are seen: its need goes before other domains' reserves. */
  readonly pressured: boolean;
  /** It missed its deadlines (`stuck.ts`): nothing is asked of it, and nothing given beyond what it holds. */
  readonly stuck: boolean;
  /** What its token bucket allows it to grow by now. */
  readonly tokens: number;
}

export interface PlanRules {
  readonly largestStep: number;
  readonly smallestStep: number;
  /** Kept above a donor's use, so that a shrink does not race with its next allocation. */
  readonly useMargin: number;
  /** What the pool should hold (`sizing.ts`). Only pressured domains may draw it lower. */
  readonly poolTarget: number;
}

export interface PlanSnapshot {
  /** All memory that is to be shared out: Σ limits + pool. */
  readonly total: number;
  /** What belongs to no domain, as the enforcing side counts it. */
  readonly pool: number;
  readonly domains: readonly DomainView[];
  readonly rules: PlanRules;
}

/** To be carried out in order. */
export type Action =
  /** Take the domain's right to grow beyond `ceiling` away: it owes memory. */
  | { readonly kind: 'cut-entitlement'; readonly domain: string; readonly ceiling: number }
  | { readonly kind: 'shrink'; readonly domain: string; readonly by: number }
  /** At most `by`; less where the shrinks before it freed less than they were to. */
  | { readonly kind: 'grow'; readonly domain: string; readonly by: number };

/**
 * The safety mechanisms, one switch each. Production has all of them on; a sabotage test switches one off and shows that
 * the invariant which it guards then breaks.
 */
export interface Safeguards {
  /** Donors free before recipients grow. */
  readonly shrinkFirst: boolean;
  /** A grow is funded by what donors did free, not by what they were asked for. */
  readonly confirmedOnly: boolean;
  readonly floors: boolean;
  readonly ceilings: boolean;
  /** A donor keeps what it uses. */
  readonly keepUse: boolean;
  readonly stepCaps: boolean;
  readonly tokens: boolean;
  readonly stuckDonorsOut: boolean;
  readonly worthwhileOnly: boolean;
  /** The smaller of the counted pool and the computed one is believed. */
  readonly doubtPool: boolean;
}

export const ALL_SAFEGUARDS: Safeguards = {
  shrinkFirst: true,
  confirmedOnly: true,
  floors: true,
  ceilings: true,
  keepUse: true,
  stepCaps: true,
  tokens: true,
  stuckDonorsOut: true,
  worthwhileOnly: true,
  doubtPool: true,
};

/**
 * What belongs to nobody. The enforcing side's count, but never more than the sum leaves: a stale count of one side must
 * not hand out the same bytes twice. Negative where more was promised than there is: that is paid back before
 * anybody grows.
 */
export function freeBytes({ total, pool, domains }: PlanSnapshot, safeguards: Safeguards = ALL_SAFEGUARDS): number {
  if (!safeguards.doubtPool) return pool;
  const held = domains.reduce((sum, domain) => sum + domain.limit, 0);
  return Math.min(pool, total - held);
}
