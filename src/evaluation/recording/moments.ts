/** Mean and variance; `undefined` for no values. */
export const mean = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Variance of a whole population (divided by n). */
export function variance(values: readonly number[]): number | undefined {
  const centre = mean(values);
  return centre === undefined ? undefined : mean(values.map((value) => (value - centre) ** 2));
}
