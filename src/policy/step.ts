/**
 * The size of one move. A cap keeps a wrong decision small and lets the next sample correct it; a smallest
 * worthwhile change keeps two domains from passing the same few pages back and forth (both after oVirt's MOM).
 */
import type { Safeguards } from './snapshot.ts';

export interface StepRule {
  /** The most that one move may carry, in bytes. */
  readonly largestStep: number;
  /** Moves below this are not made, in bytes. */
  readonly smallestStep: number;
}

export function stepsFor(rules: StepRule, safeguards: Safeguards): StepRule {
  return {
    largestStep: safeguards.stepCaps ? rules.largestStep : Number.POSITIVE_INFINITY,
    smallestStep: safeguards.worthwhileOnly ? rules.smallestStep : 1,
  };
}

/** How much of a wish of `bytes` to move now: never above the cap, and 0 where it is not worth a move. */
export function stepOf(bytes: number, rule: StepRule): number {
  return bytes < rule.smallestStep ? 0 : Math.min(bytes, rule.largestStep);
}

/**
 * How much to take from a source that can give `available` when `needed` is missing: rounded up to a worthwhile move
 * where the source has that much (what is left over waits in the pool), else nothing.
 */
export function takeOf(needed: number, available: number, rule: StepRule): number {
  if (needed <= 0) return 0;
  return stepOf(Math.min(Math.max(needed, rule.smallestStep), available), rule);
}
