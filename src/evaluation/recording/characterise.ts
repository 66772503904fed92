import { percentile } from '../../latency/percentiles.ts';
import { durationMicros, indexAt, type MemoryTrace } from '../../pressure/trace.ts';
import { MIB } from '../../units.ts';
import { type BurstDefinition, labelBursts } from './labels.ts';
import { mean, variance } from './moments.ts';

/** How bursty a trace is. A figure that the trace cannot give (too few bursts, too short) is absent. */
export interface Characteristics {
  readonly durationSeconds: number;
  readonly samples: number;
  readonly intervalP50Millis?: number;
  readonly intervalP99Millis?: number;
  readonly peakBytes: number;
  /** Over time, not over samples. */
  readonly meanBytes: number;
  /** 1 for a flat trace; what a static split wastes grows with it. */
  readonly peakToMean?: number;
  readonly riseRates: readonly RiseRate[];
  readonly bursts: number;
  readonly burstRiseP50Bytes?: number;
  readonly burstRiseMaxBytes?: number;
  readonly burstDurationP50Seconds?: number;
  readonly burstDurationP99Seconds?: number;
  /** Deviation over mean of the gaps from a burst's end to the next one's start. 0: like clockwork; 1: as by chance. */
  readonly gapVariation?: number;
  /**
   * Variance over mean of the MiB that need rises by in each 100 ms. It depends on unit and window, so compare it only
   * with itself. Arrivals of single MiB by chance (Poisson) give 1.
   */
  readonly dispersionIndex?: number;
}

/** Bytes per second over windows of one length, of the windows in which memory rose. */
export interface RiseRate {
  readonly windowMillis: number;
  readonly p50BytesPerSecond?: number;
  readonly p99BytesPerSecond?: number;
}

export const RATE_WINDOWS_MILLIS = [10, 100, 1000] as const;
const DISPERSION_WINDOW_MICROS = 100_000;

export function characterise(trace: MemoryTrace, definition: BurstDefinition): Characteristics {
  const { atMicros, usedBytes } = trace;
  const bursts = labelBursts(trace, definition);
  const intervals = atMicros.slice(1).map((at, index) => (at - atMicros[index]!) / 1000);
  const gaps = bursts.slice(1).map((burst, index) => burst.startMicros - bursts[index]!.endMicros);
  const rises = bursts.map((burst) => burst.peakBytes - burst.startBytes);
  const durations = bursts.map((burst) => (burst.endMicros - burst.startMicros) / 1e6);
  const peakBytes = usedBytes.reduce((peak, used) => Math.max(peak, used), 0);
  const meanBytes = meanOverTime(trace);
  return present({
    durationSeconds: durationMicros(trace) / 1e6,
    samples: atMicros.length,
    intervalP50Millis: percentile(intervals, 0.5),
    intervalP99Millis: percentile(intervals, 0.99),
    peakBytes,
    meanBytes,
    peakToMean: meanBytes > 0 ? peakBytes / meanBytes : undefined,
    riseRates: RATE_WINDOWS_MILLIS.map((windowMillis) => riseRate(trace, windowMillis)),
    bursts: bursts.length,
    burstRiseP50Bytes: percentile(rises, 0.5),
    burstRiseMaxBytes: percentile(rises, 1),
    burstDurationP50Seconds: percentile(durations, 0.5),
    burstDurationP99Seconds: percentile(durations, 0.99),
    gapVariation: gapVariation(gaps),
    dispersionIndex: dispersionIndex(trace),
  });
}

/** Each value weighted by how long it held. The last one held for no time, unless it is the only one. */
export function meanOverTime({ atMicros, usedBytes }: MemoryTrace): number {
  const last = atMicros.length - 1;
  if (last < 1) return usedBytes[0] ?? 0;
  let weighted = 0;
  for (let index = 0; index < last; index++) weighted += usedBytes[index]! * (atMicros[index + 1]! - atMicros[index]!);
  return weighted / (atMicros[last]! - atMicros[0]!);
}

/** One window ends at each sample; windows that would begin before the trace are left out. */
export function riseRate(trace: MemoryTrace, windowMillis: number): RiseRate {
  const { atMicros, usedBytes } = trace;
  const windowMicros = windowMillis * 1000;
  const rates: number[] = [];
  for (let index = 0; index < atMicros.length; index++) {
    const before = indexAt(trace, atMicros[index]! - windowMicros);
    if (before < 0) continue;
    const rise = usedBytes[index]! - usedBytes[before]!;
    // The earlier sample may lie before the window's edge: divide by the time that really passed.
    if (rise > 0) rates.push(rise / ((atMicros[index]! - atMicros[before]!) / 1e6));
  }
  return present({
    windowMillis,
    p50BytesPerSecond: percentile(rates, 0.5),
    p99BytesPerSecond: percentile(rates, 0.99),
  });
}

/** Two gaps are the fewest that can vary. */
function gapVariation(gaps: readonly number[]): number | undefined {
  const centre = mean(gaps);
  return gaps.length < 2 || !centre ? undefined : Math.sqrt(variance(gaps)!) / centre;
}

function dispersionIndex(trace: MemoryTrace): number | undefined {
  const { atMicros, usedBytes } = trace;
  const windows = Math.floor(durationMicros(trace) / DISPERSION_WINDOW_MICROS);
  if (windows < 2) return undefined;
  const risen = new Array<number>(windows).fill(0);
  for (let index = 1; index < atMicros.length; index++) {
    const window = Math.floor((atMicros[index]! - atMicros[0]!) / DISPERSION_WINDOW_MICROS);
    const rise = usedBytes[index]! - usedBytes[index - 1]!;
    if (window < windows && rise > 0) risen[window]! += rise / MIB;
  }
  const centre = mean(risen);
  return centre ? variance(risen)! / centre : undefined;
}

/** Leaves out what is `undefined`: missing is absent. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
