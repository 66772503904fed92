/**
 * Carries a plan out, in order. It decides one thing, which cannot be planned: how far a grow may go, for that hangs on
 * what the donors before it really freed. The effects are passed in.
 */
import { type Action, ALL_SAFEGUARDS, type Safeguards } from './snapshot.ts';

export interface MoveEffects {
  /** @returns the bytes that are free for others as of now, by the enforcing side's count; 0 where it was refused. */
  shrink(domain: string, by: number): number;
  /** @returns the bytes by which the domain may hold more as of now; 0 where it was refused. */
  grow(domain: string, by: number): number;
  cutEntitlement(domain: string, ceiling: number): void;
}

export interface MoveOutcome {
  readonly action: Action;
  /** Bytes that moved; 0 for a cut entitlement, and for a grow that found nothing free. */
  readonly moved: number;
}

/**
 * @param pool free bytes before the first action: `freeBytes` of the snapshot that was planned on.
 * @returns what each action achieved. A shrink that moved less than asked is a missed deadline to be judged (`stuck.ts`).
 */
export function executeMoves(
  actions: readonly Action[],
  pool: number,
  effects: MoveEffects,
  safeguards: Safeguards = ALL_SAFEGUARDS,
): MoveOutcome[] {
  const outcomes: MoveOutcome[] = [];
  let free = pool;
  for (const action of actions) {
    let moved = 0;
    if (action.kind === 'cut-entitlement') {
      effects.cutEntitlement(action.domain, action.ceiling);
    } else if (action.kind === 'shrink') {
      moved = effects.shrink(action.domain, action.by);
      free += safeguards.confirmedOnly ? moved : action.by;
    } else {
      const by = Math.min(action.by, free);
      if (by > 0) moved = effects.grow(action.domain, by);
      free -= moved;
    }
    outcomes.push({ action, moved });
  }
  return outcomes;
}
