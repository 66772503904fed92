/** Who is to grow and by how much, and how too little is shared out. */
import type { Action, DomainView, PlanRules, PlanSnapshot, Safeguards } from './snapshot.ts';
import { stepOf, stepsFor } from './step.ts';

export type Grow = Extract<Action, { kind: 'grow' }>;

export interface GrowRequests {
  /** To be brought back to the floor. A floor is a promise: restored whole, past caps and buckets. */
  readonly floors: readonly Grow[];
  /** May draw the pool to nothing, and call for other domains' reserves. */
  readonly pressured: readonly Grow[];
  /** Reserves, to be filled at leisure. */
  readonly wishes: readonly Grow[];
}

export function growRequests({ domains, rules }: PlanSnapshot, safeguards: Safeguards): GrowRequests {
  const floors: Grow[] = [];
  const pressured: Grow[] = [];
  const wishes: Grow[] = [];
  for (const domain of domains) {
    const toFloor = safeguards.floors ? domain.floor - domain.limit : 0;
    if (toFloor > 0) {
      floors.push({ kind: 'grow', domain: domain.name, by: toFloor });
      continue;
    }
    const by = wishOf(domain, rules, safeguards);
    if (by > 0) (domain.pressured ? pressured : wishes).push({ kind: 'grow', domain: domain.name, by });
  }
  return { floors, pressured, wishes };
}

function wishOf(domain: DomainView, rules: PlanRules, safeguards: Safeguards): number {
  if (domain.stuck && safeguards.stuckDonorsOut) return 0;
  const wanted = safeguards.ceilings ? Math.min(domain.wanted, domain.ceiling) : domain.wanted;
  const allowed = safeguards.tokens ? Math.min(wanted - domain.limit, domain.tokens) : wanted - domain.limit;
  return stepOf(Math.floor(allowed), stepsFor(rules, safeguards));
}

/** Shares `funds` out by rank; wishes get only what is left above the pool's target. */
export function fundGrows(
  { floors, pressured, wishes }: GrowRequests,
  funds: number,
  rules: PlanRules,
  safeguards: Safeguards,
): Grow[] {
  const toFloors = shareOut(floors, funds);
  const toPressured = shareOut(pressured, funds - sumBy(toFloors));
  const toWishes = shareOut(wishes, funds - sumBy(toFloors) - sumBy(toPressured) - rules.poolTarget);
  const worthwhile = [...toPressured, ...toWishes].filter((grow) => stepOf(grow.by, stepsFor(rules, safeguards)) > 0);
  return [...toFloors.filter((grow) => grow.by > 0), ...worthwhile];
}

/** Max-min fair: small requests are met whole, the large ones share the rest evenly; the given order is kept. */
function shareOut(requests: readonly Grow[], funds: number): Grow[] {
  const shares = new Map<string, number>();
  let left = Math.max(0, funds);
  requests
    .toSorted((a, b) => a.by - b.by)
    .forEach((request, index) => {
      const share = Math.min(request.by, Math.floor(left / (requests.length - index)));
      shares.set(request.domain, share);
      left -= share;
    });
  return requests.map((request) => ({ ...request, by: shares.get(request.domain) ?? 0 }));
}

export const sumBy = (moves: ReadonlyArray<{ readonly by: number }>): number =>
  moves.reduce((sum, move) => sum + move.by, 0);
