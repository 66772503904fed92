import type { Table } from './table.ts';

const OVER_MILLIS = 1000;

/**
 * How fast what a domain leases changes, in bytes a second, over the second before `atMillis`.
 * @returns NaN where there is nothing to compare with, and for a reading that comes late.
 */
export function riseRate(
  alloc: Table<'leased' | 'reserve' | 'offered' | 'rate'>,
  atMillis: number,
  leased: number,
): number {
  if (atMillis < alloc.latestMillis) return Number.NaN;
  const before = alloc.rowAt(atMillis - OVER_MILLIS);
  return before < 0 ? Number.NaN : ((leased - alloc.column('leased')[before]!) / OVER_MILLIS) * 1000;
}
