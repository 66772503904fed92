import type { BenchPlan, Rounds } from './plan.ts';

/** What every part of a run needs. */
export interface BenchRun {
  readonly plan: BenchPlan;
  readonly rounds: (byteLength: number) => Rounds;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** @param step what begins now. @param share of the whole run that lies behind, 0 to 1. */
export type Progress = (step: string, share: number) => void;
