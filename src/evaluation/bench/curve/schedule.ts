import type { BurstInterval } from '../../../policy/joint-need.ts';
import { durationMicros, type MemoryTrace } from '../../../pressure/trace.ts';
import type { ReplayPlan, ReplayStep } from '../../replay/plan.ts';

/**
 * Two domains' replays side by side, played by one process in the order in which they were recorded. Whoever has what at
 * a moment is so the same in every run, and what is measured differs by the memory alone. Pure.
 */
export type ScheduledStep = ReplayStep & { readonly domain: number };

/** All that happens at one instant, and what follows. */
export interface Moment {
  readonly steps: readonly ScheduledStep[];
  /** Recorded time until the next moment. */
  readonly lastsMicros: number;
  /** Time until the next moment as played: recorded time, quiet gaps cut. */
  readonly pauseMicros: number;
}

export interface Schedule {
  readonly moments: readonly Moment[];
  readonly requests: number;
  readonly recordedMicros: number;
  readonly playedMicros: number;
}

/** @param gapMicros longer stretches in which nobody takes or gives are played as this: their order is all that counts. */
export function mergePlans(plans: readonly ReplayPlan[], gapMicros: number): Schedule {
  const steps = plans.flatMap((plan, domain) => plan.steps.map((step): ScheduledStep => ({ ...step, domain })));
  steps.sort((a, b) => a.atMicros - b.atMicros); // stable: within a domain the order of its plan
  const end = plans.reduce((latest, plan) => Math.max(latest, plan.durationMicros), 0);
  const instants = [...new Set(steps.map(({ atMicros }) => atMicros))];
  const moments = instants.map((atMicros, index): Moment => {
    const lastsMicros = (instants[index + 1] ?? end) - atMicros;
    return {
      steps: steps.filter((step) => step.atMicros === atMicros),
      lastsMicros,
      pauseMicros: Math.min(lastsMicros, gapMicros),
    };
  });
  return {
    moments,
    requests: steps.filter(({ kind }) => kind === 'take').length,
    recordedMicros: end,
    playedMicros: moments.reduce((sum, { pauseMicros }) => sum + pauseMicros, 0),
  };
}

/** The same recording, begun `offsetMicros` later in its life and ended with what it began with. */
export function rotateTrace(trace: MemoryTrace, offsetMicros: number): MemoryTrace {
  const count = trace.atMicros.length;
  const start = trace.atMicros[0] ?? 0;
  const first = trace.atMicros.findIndex((at) => at - start >= offsetMicros);
  if (first <= 0) return trace;
  // What closes the circle from the last sample to the first takes as long as one sample on average.
  const whole = durationMicros(trace) + durationMicros(trace) / (count - 1);
  const atMicros = new Float64Array(count);
  const usedBytes = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const from = (first + index) % count;
    atMicros[index] = trace.atMicros[from]! - trace.atMicros[first]! + (from < first ? whole : 0);
    usedBytes[index] = trace.usedBytes[from]!;
  }
  return { atMicros, usedBytes };
}

/**
 * How far apart the two domains are in each round, as shares of the recording: spread over half of it, since the other
 * half would be the same with the domains' parts exchanged. Never in step: two programs seldom are.
 */
export const offsetShares = (rounds: number): number[] =>
  Array.from({ length: rounds }, (_, round) => (round + 1) / (rounds + 1) / 2);

/** Every request as an interval of need, for sizing. @param startMicros where the round lies in the history. */
export function intervalsOf(plans: readonly ReplayPlan[], startMicros: number): BurstInterval[] {
  return plans.flatMap((plan, domain) => {
    const given = new Map(plan.steps.map((step) => (step.kind === 'give' ? [step.lease, step.atMicros] : [-1, 0])));
    return plan.steps.flatMap((step) => {
      const end = step.kind === 'take' ? given.get(step.lease)! : 0;
      if (step.kind !== 'take' || end <= step.atMicros) return [];
      const { atMicros, byteLength } = step;
      return [{ domain, startMicros: startMicros + atMicros, endMicros: startMicros + end, bytes: byteLength }];
    });
  });
}
