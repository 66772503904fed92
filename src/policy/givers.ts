/** How much each domain can give, and who is asked: largest first, for each donor asked is a donor disturbed. */
import type { DomainView, PlanRules, Safeguards } from './snapshot.ts';
import { stepsFor, takeOf } from './step.ts';

type Giving = (domain: DomainView, rules: PlanRules, safeguards: Safeguards) => number;

/** What the domain holds beyond what it wants. */
export const surplusOf: Giving = (domain, rules, safeguards) =>
  domain.limit - Math.max(domain.wanted, leastOf(domain, rules, safeguards));

/** What it could do without for a while: everything above its floor and its use. */
export const reserveOf: Giving = (domain, rules, safeguards) => domain.limit - leastOf(domain, rules, safeguards);

function leastOf(domain: DomainView, rules: PlanRules, safeguards: Safeguards): number {
  const use = safeguards.keepUse ? domain.used + rules.useMargin : 0;
  return Math.max(use, safeguards.floors ? domain.floor : 0);
}

/**
 * Adds to `taken` (bytes by domain) until `needed` more bytes are found, or nobody has any. A domain's step cap holds
 * for all that is taken from it in one tick.
 * @returns the bytes added: a little more than `needed` where a smaller move would not have been worth making.
 */
export function takeFromLargest(
  givers: readonly DomainView[],
  giving: Giving,
  needed: number,
  taken: Map<string, number>,
  rules: PlanRules,
  safeguards: Safeguards,
): number {
  const steps = stepsFor(rules, safeguards);
  const offers = givers.map((domain) => {
    const before = taken.get(domain.name) ?? 0;
    const most = Math.min(giving(domain, rules, safeguards), steps.largestStep) - before;
    return { name: domain.name, before, most };
  });
  let added = 0;
  for (const { name, before, most } of offers.sort((a, b) => b.most - a.most)) {
    const by = takeOf(needed - added, most, steps);
    if (by <= 0) continue;
    taken.set(name, before + by);
    added += by;
  }
  return added;
}
