import type { Clock } from '../clock.ts';
import { MemtideError } from '../errors.ts';
import type { PressureSample } from '../records.ts';
import { type Bytes, bytes } from '../units.ts';
import type { PressureSource } from './contracts.ts';
import { addMissing, type Draft } from './machine-readings.ts';
import { durationMicros, indexAt, type MemoryTrace } from './trace.ts';

export interface RecordedSourceOptions {
  readonly clock: Clock;
  readonly trace: MemoryTrace;
  /** What the replayed domain may hold. */
  readonly limit?: () => Bytes;
  /** Start again at the end; otherwise the last value holds. */
  readonly repeat?: boolean;
}

/** A recording played back in step with the clock, from the first sample on. It has no stalls: nothing was short. */
export class RecordedSource implements PressureSource {
  readonly scope = 'domain';
  readonly #options: RecordedSourceOptions;
  #startedAt: number | undefined;

  /** @throws MemtideError for an empty trace. */
  constructor(options: RecordedSourceOptions) {
    if (options.trace.atMicros.length === 0) {
      throw new MemtideError({ operation: 'replay a recording', expected: 'at least one sample', actual: 'none' });
    }
    this.#options = options;
  }

  sample(): PressureSample {
    const { clock, limit } = this.#options;
    const atMicros = clock.monotonicMicros();
    this.#startedAt ??= atMicros;
    const used = this.#usedAfter(atMicros - this.#startedAt);
    const draft: Draft = { atMicros, scope: 'domain', usedBytes: bytes(used) };
    if (limit) {
      draft.limitBytes = limit();
      draft.availableBytes = bytes(Math.max(0, draft.limitBytes - used));
    } else {
      addMissing(draft, 'limit', 'a recording has none: pass one to bound the replayed domain');
    }
    addMissing(draft, 'psi', 'a recording holds memory in use only');
    addMissing(draft, 'vmstat', 'a recording holds memory in use only');
    return draft;
  }

  #usedAfter(elapsedMicros: number): number {
    const { trace, repeat = false } = this.#options;
    const duration = durationMicros(trace);
    const played = repeat && duration > 0 ? elapsedMicros % duration : elapsedMicros;
    return trace.usedBytes[Math.max(0, indexAt(trace, trace.atMicros[0]! + played))]!;
  }

  close(): void {}
}
