import { MIB } from '../../units.ts';
import type { BenchResult } from './run.ts';

/** A claim with its bound: what was measured at the worst size, what is promised, and what is aimed at. */
export interface Figure {
  readonly name: string;
  /** The worst over the sizes that count; `undefined` when it was not measured. */
  readonly measured: number | undefined;
  readonly where: string | undefined;
  readonly atLeast: number;
  readonly aim: number;
  readonly unit: string;
}

interface Worst {
  readonly measured: number | undefined;
  readonly where: string | undefined;
}

/** Takes the promises of memtide out of a result. Pure: the same result gives the same figures. */
export function figuresOf(result: BenchResult): Figure[] {
  const { rows, background, handshake, agent } = result;
  const p50 = (name: string, bytes: number, cache?: 'hot' | 'cold'): number | undefined =>
    rows.find((row) => row.case === name && row.bytes === bytes && row.cache === cache)?.p50_us;
  const sizes = [...new Set(rows.map((row) => row.bytes))].sort((a, b) => a - b);
  const between = (from: number, to: number): number[] => sizes.filter((size) => size >= from && size <= to);
  const bestLocal = (size: number): number | undefined => {
    const ways = [p50('local-warm', size, 'hot'), p50('local-pool', size, 'cold'), p50('local-huge', size)];
    // Warm reuse of a chunk that is hot in the cache is no peer of cold memory; see test/bench/README.md.
    return least([ways[1], ways[2]]) ?? least(ways);
  };
  const ratio = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a / b;
  const tier1 = (size: number): number | undefined => p50('tier1', size, 'cold');

  return [
    {
      name: 'tier1 − touch-only, median of pairs',
      ...worstGap(result.tier1_minus_touch_us),
      atLeast: 20,
      aim: 2,
      unit: ' µs',
    },
    {
      name: 'tier1 ÷ best local way, cold, 1–64 MiB',
      ...worst(between(MIB, 64 * MIB), (size) => ratio(tier1(size), bestLocal(size))),
      atLeast: 1.25,
      aim: 1,
      unit: '',
    },
    {
      name: 'tier1 ÷ local-fresh, cold, 1–64 MiB',
      ...worst(between(MIB, 64 * MIB), (size) => ratio(tier1(size), p50('local-fresh', size))),
      atLeast: 0.35,
      aim: 0.12,
      unit: '',
    },
    {
      name: '(tier1 + background CPU) ÷ local-fresh, 1–64 MiB',
      ...worst(between(MIB, 64 * MIB), (size) => {
        const own = tier1(size);
        return ratio(own && own + (background.cpu_us_per_mib * size) / MIB, p50('local-fresh', size));
      }),
      atLeast: 1.3,
      aim: 1,
      unit: '',
    },
    {
      name: 'tier2 ÷ local-huge, 4–64 MiB',
      ...worst(between(4 * MIB, 64 * MIB), (size) => ratio(p50('tier2', size), p50('local-huge', size))),
      atLeast: 2,
      aim: 1.2,
      unit: '',
    },
    {
      name: 'tier2-4k ÷ local-fresh, 4–64 MiB',
      ...worst(between(4 * MIB, 64 * MIB), (size) => ratio(p50('tier2-4k', size), p50('local-fresh', size))),
      atLeast: 0.6,
      aim: 0.25,
      unit: '',
    },
    {
      name: 'handshake ÷ bare futex ping-pong',
      measured: handshake.ratio_p50,
      where: undefined,
      atLeast: 2.5,
      aim: 1.3,
      unit: '',
    },
    { name: 'idle agent: CPU', measured: agent?.cpu_percent, where: undefined, atLeast: 1, aim: 0.2, unit: ' %' },
    {
      name: 'idle agent: memory above idle Node',
      measured: agent?.rss_mib,
      where: undefined,
      atLeast: 30,
      aim: 15,
      unit: ' MiB',
    },
  ];
}

const least = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};

function worst(sizes: readonly number[], of: (size: number) => number | undefined): Worst {
  let measured: number | undefined;
  let where: string | undefined;
  for (const size of sizes) {
    const value = of(size);
    if (value === undefined || (measured !== undefined && value <= measured)) continue;
    measured = value;
    where = `${size / MIB} MiB`;
  }
  return { measured, where };
}

function worstGap(gaps: BenchResult['tier1_minus_touch_us']): Worst {
  let measured: number | undefined;
  let where: string | undefined;
  for (const gap of gaps) {
    if (measured !== undefined && gap.p50_us <= measured) continue;
    measured = gap.p50_us;
    where = `${gap.bytes / MIB} MiB, ${gap.cache}`;
  }
  return { measured, where };
}
