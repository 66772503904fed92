/**
 * One tick of the slow plane: from a snapshot of all domains to the moves between their reservations. Pure.
 *
 * Who gets, in this order: domains below their floor, pressured domains, and with what is left above the pool's target
 * every domain that wants more. Who gives: the pool, then the surplus of domains that hold more than they want,
 * and for urgent needs the reserves of domains at ease. Nobody gives below its floor, or its use and a margin.
 *
 * Shrinks come first and each grow takes at most what is free by then (`execute.ts`), so
 * Σ limits + pool = total holds after every action, even where a donor returns less than it was asked.
 */
import { reserveOf, surplusOf, takeFromLargest } from './givers.ts';
import { fundGrows, growRequests, sumBy } from './requests.ts';
import { type Action, ALL_SAFEGUARDS, freeBytes, type PlanSnapshot, type Safeguards } from './snapshot.ts';

export function planMoves(snapshot: PlanSnapshot, safeguards: Safeguards = ALL_SAFEGUARDS): Action[] {
  const { domains, rules } = snapshot;
  const free = freeBytes(snapshot, safeguards);
  const { floors, pressured, wishes } = growRequests(snapshot, safeguards);
  const urgent = sumBy(floors) + sumBy(pressured);

  const below = new Set(floors.map((grow) => grow.domain));
  const givers = domains.filter(
    (domain) => !domain.pressured && !below.has(domain.name) && !(domain.stuck && safeguards.stuckDonorsOut),
  );
  const taken = new Map<string, number>();
  const all = urgent + sumBy(wishes) + rules.poolTarget;
  const fromSurplus = takeFromLargest(givers, surplusOf, all - free, taken, rules, safeguards);
  const fromReserves = takeFromLargest(givers, reserveOf, urgent - free - fromSurplus, taken, rules, safeguards);

  const shrinks = [...taken].map(([domain, by]): Action => ({ kind: 'shrink', domain, by }));
  const stillWished = wishes.filter((wish) => !taken.has(wish.domain));
  const funds = free + fromSurplus + fromReserves;
  const grows = fundGrows({ floors, pressured, wishes: stillWished }, funds, rules, safeguards);
  const cuts = entitlementCuts(snapshot, safeguards);
  return safeguards.shrinkFirst ? [...cuts, ...shrinks, ...grows] : [...cuts, ...grows, ...shrinks];
}

function entitlementCuts({ domains }: PlanSnapshot, safeguards: Safeguards): Action[] {
  if (!safeguards.stuckDonorsOut) return [];
  return domains
    .filter((domain) => domain.stuck && domain.limit < domain.ceiling)
    .map((domain) => ({ kind: 'cut-entitlement', domain: domain.name, ceiling: domain.limit }));
}
