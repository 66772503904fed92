/** Percentiles of raw samples, by nearest rank: always a value that was measured, never one between two. */

/** @param values in any order. @param share 0 to 1. @returns undefined for no values. */
export function percentile(values: ArrayLike<number>, share: number): number | undefined {
  return ranked(ascending(values), share);
}

export interface Summary {
  readonly n: number;
  readonly p50: number;
  /** Only from 1,000 samples on: below that it would be little more than the maximum. */
  readonly p99: number | undefined;
  readonly max: number;
}

export const SAMPLES_FOR_P99 = 1000;

/** @returns undefined for no samples. */
export function summarize(samples: ArrayLike<number>): Summary | undefined {
  if (samples.length === 0) return undefined;
  const sorted = ascending(samples);
  return {
    n: sorted.length,
    p50: ranked(sorted, 0.5)!,
    p99: sorted.length >= SAMPLES_FOR_P99 ? ranked(sorted, 0.99) : undefined,
    max: sorted[sorted.length - 1]!,
  };
}

/**
 * Where the true median lies with a confidence of 95 %: two of the samples, found by their rank alone (the sign test),
 * so nothing is assumed about how they are distributed. With fewer than 6 samples, the smallest and the largest.
 */
export function medianInterval(samples: ArrayLike<number>): readonly [low: number, high: number] | undefined {
  if (samples.length === 0) return undefined;
  const sorted = ascending(samples);
  const n = sorted.length;
  const low = Math.max(0, Math.floor((n - 1.96 * Math.sqrt(n)) / 2) - 1);
  return [sorted[low]!, sorted[n - 1 - low]!];
}

const ascending = (values: ArrayLike<number>): Float64Array => Float64Array.from(values).sort();

const ranked = (sorted: Float64Array, share: number): number | undefined =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
