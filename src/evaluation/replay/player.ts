import type { Clock } from '../../clock.ts';
import type { Timer } from '../../pressure/timer.ts';
import type { ReplayPlan } from './plan.ts';

/** Plays a plan in step with the clock, on whatever gives memory: memtide, or malloc for comparison. */
export interface MemorySource {
  /** Takes memory and writes to all of it. */
  take(byteLength: number): Promise<Taken>;
}

export type Taken =
  | {
      readonly ok: true;
      /** From the request to the last byte written, in microseconds. */
      readonly totalMicros: number;
      /** Of these, how long the program stood still until somebody else had let go; 0 when it did not. */
      readonly waitedMicros: number;
      release(): void;
    }
  | { readonly ok: false; readonly refusal: string; readonly waitedMicros: number };

/** What happened, raw; added up over several rounds by playing with the same figures. */
export interface PlayFigures {
  readonly served: { readonly byteLength: number; readonly totalMicros: number }[];
  readonly refused: { readonly byteLength: number; readonly refusal: string }[];
  /** Requests for which the program stood still, and for how long in all. */
  stalls: number;
  stalledMicros: number;
  /** The most by which a step came after its time. */
  latestMicros: number;
}

export const noFigures = (): PlayFigures => ({ served: [], refused: [], stalls: 0, stalledMicros: 0, latestMicros: 0 });

/**
 * Plays `plan` once. Steps that come late are played at once, and the rest keeps its times. A lease that was refused is
 * done without. Ends early on `signal`; however it ends, all is given back.
 */
export async function play(
  plan: ReplayPlan,
  source: MemorySource,
  figures: PlayFigures,
  { clock, timer, signal }: { readonly clock: Clock; readonly timer: Timer; readonly signal: AbortSignal },
): Promise<void> {
  const startedAt = clock.monotonicMicros();
  const holding = new Map<number, { release(): void }>();
  try {
    for (const step of plan.steps) {
      const due = startedAt + step.atMicros;
      await until(due, clock, timer, signal);
      if (signal.aborted) return;
      figures.latestMicros = Math.max(figures.latestMicros, clock.monotonicMicros() - due);
      if (step.kind === 'give') {
        holding.get(step.lease)?.release();
        holding.delete(step.lease);
        continue;
      }
      const taken = await source.take(step.byteLength);
      if (taken.waitedMicros > 0) {
        figures.stalls++;
        figures.stalledMicros += taken.waitedMicros;
      }
      if (taken.ok) {
        holding.set(step.lease, taken);
        figures.served.push({ byteLength: step.byteLength, totalMicros: taken.totalMicros });
      } else {
        figures.refused.push({ byteLength: step.byteLength, refusal: taken.refusal });
      }
    }
    await until(startedAt + plan.durationMicros, clock, timer, signal);
  } finally {
    for (const lease of holding.values()) lease.release();
  }
}

/** Resolves at `instant`, or as soon as `signal` is aborted. */
async function until(instant: number, clock: Clock, timer: Timer, signal: AbortSignal): Promise<void> {
  for (;;) {
    const left = instant - clock.monotonicMicros();
    if (left <= 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = timer.after(left, done);
      signal.addEventListener('abort', done);
    });
  }
}
