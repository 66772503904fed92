import type { Clock } from '../clock.ts';
import type { PressureSample } from '../records.ts';
import { type BurstEvent, type BurstState, step } from './burst-detector.ts';
import { type BurstParameters, DEFAULT_BURST_PARAMETERS } from './burst-parameters.ts';
import type { PressureSource } from './contracts.ts';
import { headroomBytes } from './headroom.ts';
import { SampleRing } from './sample-ring.ts';
import { DEFAULT_SAMPLING_RATE, isAlert, type SamplingRate } from './sampling-rate.ts';
import type { Timer } from './timer.ts';

export interface SamplerOptions {
  readonly source: PressureSource;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly onEvent: (event: BurstEvent, sample: PressureSample) => void;
  /** Called for each reading, before its events. */
  readonly onSample?: (sample: PressureSample) => void;
  readonly burst?: BurstParameters;
  readonly rate?: SamplingRate;
  /** Readings kept; the default is 20 s at the highest rate. */
  readonly capacity?: number;
  /** CPU time of this thread (or process) so far; default {@link cpuMicros}. */
  readonly cpuMicros?: () => number;
}

/** What sampling itself costs. */
export interface SamplerCost {
  readonly samples: number;
  /** CPU time spent in reading and detecting, all samples together. */
  readonly cpuMicros: number;
  /** Readings that came later than twice the interval that was asked for: the thread was busy or not scheduled. */
  readonly late: number;
}

/** CPU time of this thread where Node can tell (from 23.9 on), else of the process, in microseconds. */
export function cpuMicros(): number {
  const { user, system } = 'threadCpuUsage' in process ? threadCpuUsage() : process.cpuUsage();
  return user + system;
}

const threadCpuUsage = () => (process as unknown as { threadCpuUsage(): NodeJS.CpuUsage }).threadCpuUsage();

/** Reads a source, slowly while it is quiet and often while need rises, and tells the bursts. */
export class Sampler {
  readonly recent: SampleRing<PressureSample>;
  readonly #options: SamplerOptions;
  readonly #burst: BurstParameters;
  readonly #rate: SamplingRate;
  readonly #cpuMicros: () => number;
  #state: BurstState | undefined;
  #cancel: (() => void) | undefined;
  #alertUntil = Number.NEGATIVE_INFINITY;
  #dueAt = 0;
  #intervalMicros = 0;
  #samples = 0;
  #spentMicros = 0;
  #late = 0;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#burst = options.burst ?? DEFAULT_BURST_PARAMETERS;
    this.#rate = options.rate ?? DEFAULT_SAMPLING_RATE;
    this.#cpuMicros = options.cpuMicros ?? cpuMicros;
    this.recent = new SampleRing(options.capacity ?? 2000);
  }

  /** Reads at once, then again and again. Nothing happens if it is running. */
  start(): void {
    if (this.#cancel) return;
    this.#dueAt = this.#options.clock.monotonicMicros();
    this.#intervalMicros = this.#rate.quietMicros;
    this.#cancel = this.#options.timer.after(0, this.#tick);
  }

  /** No reading and no event after this. The source stays open: it belongs to whoever made it. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The detector's state: baseline, rise rate, the open burst. `undefined` before the first reading. */
  get state(): BurstState | undefined {
    return this.#state;
  }

  get cost(): SamplerCost {
    return { samples: this.#samples, cpuMicros: this.#spentMicros, late: this.#late };
  }

  readonly #tick = (): void => {
    const { clock, timer } = this.#options;
    const now = clock.monotonicMicros();
    if (now - this.#dueAt > this.#intervalMicros) this.#late++;
    const before = this.#cpuMicros();
    const sample = this.#options.source.sample();
    const events = this.#detect(sample);
    this.#spentMicros += this.#cpuMicros() - before;
    this.#samples++;
    this.#intervalMicros = now < this.#alertUntil ? this.#rate.alertMicros : this.#rate.quietMicros;
    // Kept to a grid, so that being late once does not slow the rate; but a missed reading is not made up for.
    this.#dueAt = Math.max(this.#dueAt + this.#intervalMicros, clock.monotonicMicros());
    // Set before the handlers run: one that calls stop() stops this reading too, and one that throws does not.
    this.#cancel = timer.after(this.#dueAt - clock.monotonicMicros(), this.#tick);
    this.#options.onSample?.(sample);
    for (const event of events) this.#options.onEvent(event, sample);
  };

  #detect(sample: PressureSample): readonly BurstEvent[] {
    this.recent.push(sample);
    if (sample.usedBytes === undefined) return [];
    const headroom = headroomBytes(sample);
    const { state, events } = step(this.#state, sample.usedBytes, sample.atMicros, this.#burst, {
      ...(headroom !== undefined && { headroomBytes: headroom }),
      ...(sample.psi && { stall: { someTotalMicros: sample.psi.someTotalMicros, scope: sample.scope } }),
    });
    this.#state = state;
    if (isAlert(state, headroom, this.#burst)) this.#alertUntil = sample.atMicros + this.#rate.lingerMicros;
    return events;
  }
}
