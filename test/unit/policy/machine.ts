/**
 * A machine for plans to run on. It does what it is told and refuses nothing, so that whatever a plan gets wrong shows;
 * its domains return what the test says they return. It checks the invariants after every action.
 */
import { executeMoves, type MoveOutcome } from '../../../src/policy/execute.ts';
import { planMoves } from '../../../src/policy/plan.ts';
import {
  type Action,
  ALL_SAFEGUARDS,
  type DomainView,
  freeBytes,
  type PlanSnapshot,
  type Safeguards,
} from '../../../src/policy/snapshot.ts';

/** The share of a shrink that the domain really lets go of; 1 where it is not named. */
export type Returns = Readonly<Record<string, number>>;

export interface Run {
  readonly outcomes: readonly MoveOutcome[];
  readonly violations: readonly string[];
  /** Limits and pool afterwards. */
  readonly limits: Readonly<Record<string, number>>;
  readonly pool: number;
}

export function runTick(snapshot: PlanSnapshot, returns: Returns = {}, safeguards: Safeguards = ALL_SAFEGUARDS): Run {
  const actions = planMoves(snapshot, safeguards);
  const limits = new Map(snapshot.domains.map((domain) => [domain.name, domain.limit]));
  const held = () => [...limits.values()].reduce((sum, limit) => sum + limit, 0);
  const violations = [...violationsOfPlan(snapshot, actions)];

  const move = (domain: string, by: number): number => {
    limits.set(domain, limits.get(domain)! + by);
    // Conservation: what the domains hold together is never more than there is.
    if (held() > snapshot.total) violations.push(`${domain} was given memory that nobody had freed`);
    return Math.abs(by);
  };
  const outcomes = executeMoves(
    actions,
    freeBytes(snapshot, safeguards),
    {
      shrink: (domain, by) => move(domain, -Math.floor(by * (returns[domain] ?? 1))),
      grow: (domain, by) => move(domain, by),
      cutEntitlement: () => {},
    },
    safeguards,
  );
  return { outcomes, violations, limits: Object.fromEntries(limits), pool: snapshot.total - held() };
}

/** What no plan may ask for, whatever the domains do with it. */
function* violationsOfPlan({ total, domains, rules }: PlanSnapshot, actions: readonly Action[]): Generator<string> {
  const views = new Map(domains.map((domain) => [domain.name, domain]));
  const limits = new Map(domains.map((domain) => [domain.name, domain.limit]));
  let held = domains.reduce((sum, domain) => sum + domain.limit, 0);
  const seen = new Set<string>();
  for (const action of actions) {
    if (action.kind === 'cut-entitlement') continue;
    const view = views.get(action.domain)!;
    const by = action.kind === 'grow' ? action.by : -action.by;
    const before = limits.get(action.domain)!;
    limits.set(action.domain, before + by);
    held += by;
    if (seen.has(action.domain)) yield `${action.domain} is moved twice`;
    seen.add(action.domain);
    if (!(action.by > 0)) yield `${action.domain} is moved by ${action.by}`;
    if (by > 0 && held > total) yield `${action.domain} grows before its bytes are free`;
    yield* violationsOfMove(view, before, by, rules);
  }
}

function* violationsOfMove(
  view: DomainView,
  before: number,
  by: number,
  rules: PlanSnapshot['rules'],
): Generator<string> {
  const after = before + by;
  if (by < 0) {
    if (after < view.floor) yield `${view.name} is shrunk below its floor`;
    if (after < view.used + rules.useMargin) yield `${view.name} is shrunk below its use`;
    if (view.stuck) yield `${view.name} is stuck and is asked`;
  }
  const restoresFloor = by > 0 && after <= view.floor;
  if (restoresFloor) return;
  if (by > 0 && after > view.ceiling) yield `${view.name} grows above its ceiling`;
  if (by > 0 && by > view.tokens) yield `${view.name} grows beyond its tokens`;
  if (by > 0 && view.stuck) yield `${view.name} is stuck and grows`;
  if (Math.abs(by) > rules.largestStep) yield `${view.name} is moved by more than a step`;
  if (Math.abs(by) < rules.smallestStep) yield `${view.name} is moved by dust`;
}
