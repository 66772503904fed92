/** Percentiles of raw samples, by nearest rank: always a value that was measured, never one between two. */

/** @param sorted ascending. @param share 0 to 1. @returns undefined for no samples. */
export function percentile(sorted: ArrayLike<number>, share: number): number | undefined {
  if (sorted.length === 0) return undefined;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
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
  const sorted = Float64Array.from(samples).sort();
  return {
    n: sorted.length,
    p50: percentile(sorted, 0.5)!,
    p99: sorted.length >= SAMPLES_FOR_P99 ? percentile(sorted, 0.99) : undefined,
    max: sorted[sorted.length - 1]!,
  };
}
