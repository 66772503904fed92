/**
 * How a budget is split over the programs of a domain, where the kernel limits each process and not the group.
 * Each program gets what it has mapped and a share of the free rest. One half of the rest is split evenly, so that every
 * program can start a burst; the other half by recent growth, so that the one in a burst can go on with it.
 */

/** Shares are whole multiples of this: the largest page size of Linux on arm64, and so of every page size. */
const GRANULE_BYTES = 64 * 1024;

/**
 * Fills `limits[i]` for the first `count` programs: at least `mapped[i]` each, and Σ limits ≤ budget unless Σ mapped is
 * above it already. All in bytes.
 * @param growth how much each program grew lately; any non-negative measure.
 */
export function splitBudget(
  budget: number,
  count: number,
  mapped: Float64Array,
  growth: Float64Array,
  limits: Float64Array,
): void {
  let held = 0;
  let grown = 0;
  for (let i = 0; i < count; i++) {
    held += mapped[i]!;
    grown += growth[i]!;
  }
  const rest = Math.max(0, budget - held);
  for (let i = 0; i < count; i++) {
    const even = 1 / count;
    const byGrowth = grown > 0 ? growth[i]! / grown : even;
    const share = (rest * (even + byGrowth)) / 2;
    limits[i] = mapped[i]! + Math.floor(share / GRANULE_BYTES) * GRANULE_BYTES;
  }
}
