import type { Schedule } from './schedule.ts';

/**
 * What a static split does with a schedule: each domain has a fixed share. A request that does not fit what is left of
 * its share is refused at once and done without, as a program is that runs out of its own memory: nobody else can help
 * it, and waiting would be for itself. Pure.
 */
export interface SplitOutcome {
  readonly requests: number;
  readonly misses: number;
  /** Over recorded time: what the shares hold and nobody uses. */
  readonly idleBytes: number;
}

export function playStaticSplit(schedule: Schedule, shares: readonly number[]): SplitOutcome {
  const free = [...shares];
  const holding = new Map<string, number>();
  let misses = 0;
  let idle = 0;
  for (const { steps, lastsMicros } of schedule.moments) {
    for (const step of steps) {
      const lease = `${step.domain} ${step.lease}`;
      if (step.kind === 'give') {
        free[step.domain] = free[step.domain]! + (holding.get(lease) ?? 0);
        holding.delete(lease);
      } else if (step.byteLength > free[step.domain]!) {
        misses++;
      } else {
        free[step.domain] = free[step.domain]! - step.byteLength;
        holding.set(lease, step.byteLength);
      }
    }
    idle += lastsMicros * free.reduce((sum, bytes) => sum + bytes, 0);
  }
  const { requests, recordedMicros } = schedule;
  return { requests, misses, idleBytes: recordedMicros > 0 ? idle / recordedMicros : 0 };
}
