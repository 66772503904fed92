import type { DomainView, PlanRules, PlanSnapshot } from '../../../src/policy/snapshot.ts';

/** A domain at rest that holds what it wants; a test names what is different about its own. */
export function domain(name: string, differences: Partial<DomainView> = {}): DomainView {
  const limit = differences.limit ?? 100;
  return {
    name,
    limit,
    used: Math.min(60, limit),
    wanted: limit,
    floor: 20,
    ceiling: 500,
    pressured: false,
    stuck: false,
    tokens: 1000,
    ...differences,
  };
}

export function snapshot(domains: readonly DomainView[], pool: number, rules: Partial<PlanRules> = {}): PlanSnapshot {
  return {
    total: pool + domains.reduce((sum, { limit }) => sum + limit, 0),
    pool,
    domains,
    rules: { largestStep: 200, smallestStep: 4, useMargin: 5, poolTarget: 0, ...rules },
  };
}
