/**
 * Latency of bursts against local allocations. Only bursts that have a local allocation of the same size beside them
 * count, so that the curves are of the same sizes.
 */
import { type Summary, summarize } from '../../../latency/percentiles.ts';
import type { Burst } from './burst.ts';

export const CURVES = ['burst', 'best', 'fresh'] as const;
export type Curve = (typeof CURVES)[number];

export interface Distribution {
  readonly sorted: Readonly<Record<Curve, Float64Array>>;
  readonly summary: Readonly<Record<Curve, Summary | undefined>>;
  /** Served bursts without a local allocation to compare with. */
  readonly unpaired: number;
}

export function distributionOf(bursts: readonly Burst[]): Distribution {
  const served = bursts.filter(({ refusal }) => refusal === undefined);
  const paired = served.filter(({ local }) => local !== undefined);
  const sorted = {
    burst: Float64Array.from(paired, ({ totalMicros }) => totalMicros).sort(),
    best: Float64Array.from(paired, ({ local }) => local!.bestMicros).sort(),
    fresh: Float64Array.from(paired, ({ local }) => local!.freshMicros).sort(),
  };
  return {
    sorted,
    summary: { burst: summarize(sorted.burst), best: summarize(sorted.best), fresh: summarize(sorted.fresh) },
    unpaired: served.length - paired.length,
  };
}

/** Sizes that occur, the most frequent first, at most `most`; then by size. */
export function frequentSizes(bursts: readonly Burst[], most: number): number[] {
  const counts = new Map<number, number>();
  for (const { requestedBytes } of bursts) counts.set(requestedBytes, (counts.get(requestedBytes) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([size]) => size)
    .sort((a, b) => a - b);
}

/** Share of values that are not above each step of a logarithmic axis: the curve, in `points` points. */
export function cumulative(sorted: Float64Array, stepsMicros: readonly number[]): (number | null)[] {
  let row = 0;
  return stepsMicros.map((step) => {
    while (row < sorted.length && sorted[row]! <= step) row++;
    return sorted.length === 0 ? null : row / sorted.length;
  });
}

/** Steps from `least` to `greatest`, each the same factor from the one before. */
export function logSteps(least: number, greatest: number, points: number): number[] {
  const [from, to] = [Math.log(Math.max(0.1, least)), Math.log(Math.max(0.2, greatest))];
  return Array.from({ length: points }, (_, i) => Math.exp(from + ((to - from) * i) / (points - 1)));
}
