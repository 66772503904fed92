import { type Summary, summarize } from '../../latency/percentiles.ts';
import type { PlayFigures } from './player.ts';

/** The requests of one size. */
export interface SizeRow {
  readonly byteLength: number;
  readonly refused: number;
  /** Absent when none was served. */
  readonly totalMicros?: Summary;
}

/** From the raw figures, smallest size first. */
export function bySize({ served, refused }: PlayFigures): SizeRow[] {
  const sizes = new Set([...served, ...refused].map(({ byteLength }) => byteLength));
  return [...sizes]
    .sort((a, b) => a - b)
    .map((size) => {
      const totals = summarize(served.filter(({ byteLength }) => byteLength === size).map((each) => each.totalMicros));
      return {
        byteLength: size,
        refused: refused.filter(({ byteLength }) => byteLength === size).length,
        ...(totals && { totalMicros: totals }),
      };
    });
}
