import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { BurstSample, ServedFrom } from './outcomes.ts';
import type { Schedule } from './schedule.ts';

/** What memory does with one burst; `release` is there when it was served. */
export interface Burst {
  readonly from: ServedFrom;
  readonly micros: number;
  readonly release?: () => void;
}

/** Memory of several domains. */
export interface BurstMemory {
  /** Takes memory for a domain and writes to all of it, with the thread blocked. */
  take(domain: number, byteLength: number): Burst;
  /** What is held for bursts and used by none, at this moment. */
  idleBytes(): number;
}

export interface Played {
  readonly samples: readonly BurstSample[];
  /** Mean over recorded time. */
  readonly idleBytes: number;
}

/** Plays a schedule once; what is refused is done without. However it ends, all is given back. */
export async function playSchedule(schedule: Schedule, memory: BurstMemory, signal: AbortSignal): Promise<Played> {
  const samples: BurstSample[] = [];
  const holding = new Map<string, () => void>();
  let idle = 0;
  try {
    for (const { steps, lastsMicros, pauseMicros } of schedule.moments) {
      for (const step of steps) {
        const lease = `${step.domain} ${step.lease}`;
        if (step.kind === 'give') {
          holding.get(lease)?.();
          holding.delete(lease);
          continue;
        }
        const { domain, byteLength } = step;
        const { release, from, micros } = memory.take(domain, byteLength);
        if (release) holding.set(lease, release);
        samples.push({ domain, byteLength, from, micros });
      }
      // At least one turn of the event loop: a connection tells its agent of what it has taken only then.
      if (pauseMicros > 0) await wait(pauseMicros / 1000, undefined, { signal });
      else await turn(undefined, { signal });
      idle += lastsMicros * memory.idleBytes();
    }
  } finally {
    for (const release of holding.values()) release();
  }
  return { samples, idleBytes: schedule.recordedMicros > 0 ? idle / schedule.recordedMicros : 0 };
}
