/**
 * The value below which the share `p` (0 to 1) of `values` lies: nearest rank, so it is always one of them.
 * `undefined` for no values.
 */
export function percentile(values: ArrayLike<number>, p: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))];
}

export const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Variance of a whole population (divided by n). */
export function variance(values: readonly number[]): number | undefined {
  const centre = mean(values);
  return centre === undefined ? undefined : mean(values.map((value) => (value - centre) ** 2));
}
