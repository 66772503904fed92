/** What the rounds of the bench come to. Pure. */
import { summarize } from '../../../latency/percentiles.ts';
import type { XenBenchResult, XenRow } from './result.ts';

/** Of each round, in microseconds. */
export interface Times {
  readonly usable: number[];
  readonly touch: number[];
  readonly total: number[];
}

export function rowOf(name: string, size: number, { usable, touch, total }: Times): XenRow {
  const all = summarize(total)!;
  return {
    case: name,
    bytes: size,
    n: all.n,
    p50_us: all.p50,
    min_us: Math.min(...total),
    max_us: all.max,
    usable_p50_us: summarize(usable)!.p50,
    touch_p50_us: summarize(touch)!.p50,
  };
}

/** Of the p50 of tier 1, which is what the others are held against. */
export function ratiosOf(rows: readonly XenRow[]): XenBenchResult['ratios'] {
  return rows
    .filter((row) => row.case !== 'xen-pool')
    .flatMap((row) => {
      const pool = rows.find((each) => each.case === 'xen-pool' && each.bytes === row.bytes);
      return pool ? [{ bytes: row.bytes, against: row.case, xen_pool_p50_ratio: pool.p50_us / row.p50_us }] : [];
    });
}

/** A lease beside the touch of memory that the program has had all along. */
export function leasesOf(rows: readonly XenRow[], pipeMicros: number): XenBenchResult['leases'] {
  return rows
    .filter((row) => row.case === 'xen-lease')
    .flatMap(({ bytes: size, p50_us }) => {
      const touch = rows.find((row) => row.case === 'touch-only' && row.bytes === size);
      if (!touch) return [];
      const gap = p50_us - touch.p50_us;
      return [{ bytes: size, gap_us: gap, pipe_round_trips: gap / pipeMicros }];
    });
}
