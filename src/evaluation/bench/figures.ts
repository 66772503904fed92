import { formatBytes, MIB } from '../../units.ts';
import type { BenchResult, Cache, PairedGap } from './result.ts';

/** What memtide promises, taken out of a result. Pure: the same result gives the same figures. */
export interface Figure {
  readonly name: string;
  readonly unit: '' | 'µs' | '%' | 'MiB';
  /** The worst over the sizes that count; absent when it was not measured. */
  readonly measured?: number;
  /** Where the true value lies, chance and the error of the method considered, if that is known. */
  readonly interval?: readonly [low: number, high: number];
  /** The size, and cache state, at which it was worst. */
  readonly where?: string;
  /** Samples behind it: the fewest, if it is made of several rows. */
  readonly n?: number;
  /** Upper bounds: what is promised, and what is aimed at. */
  readonly atLeast: number;
  readonly aim: number;
}

export type Verdict = 'aim' | 'met' | 'unclear' | 'missed' | 'not measured';

/** A bound inside the interval can be called neither met nor missed. */
export function verdictOf({ measured, interval, atLeast, aim }: Figure): Verdict {
  if (measured === undefined) return 'not measured';
  const [low, high] = interval ?? [measured, measured];
  if (high <= aim) return 'aim';
  if (high <= atLeast) return 'met';
  return low <= atLeast ? 'unclear' : 'missed';
}

type Bounds = Pick<Figure, 'name' | 'unit' | 'atLeast' | 'aim'>;
/** A row's p50 with its number of samples. */
interface Median {
  readonly micros: number;
  readonly n: number;
}

export function figuresOf(result: BenchResult): Figure[] {
  const { rows, background, handshake, agent } = result;
  const p50 = (name: string, bytes: number, cache?: Cache): Median | undefined => {
    const row = rows.find((one) => one.case === name && one.bytes === bytes && one.cache === cache);
    return row && { micros: row.p50_us, n: row.n };
  };
  const tier1 = (size: number): Median | undefined => p50('tier1', size, 'cold');
  const bestLocal = (size: number): Median | undefined =>
    least([p50('local-warm', size, 'cold'), p50('local-pool', size, 'cold'), p50('local-huge', size)]);
  const withBackground = (size: number): Median | undefined => {
    const own = tier1(size);
    const cost = background.by_size.find(({ bytes }) => bytes === size)?.cpu_us_per_mib;
    return own && cost !== undefined ? { ...own, micros: own.micros + (cost * size) / MIB } : undefined;
  };
  const fresh = (size: number): Median | undefined => p50('local-fresh', size);
  const sizes = [...new Set(rows.map((row) => row.bytes))];
  const ratio = (
    bounds: Omit<Bounds, 'unit'>,
    from: number,
    of: (size: number) => Median | undefined,
    to: (size: number) => Median | undefined,
  ): Figure => ({
    ...bounds,
    unit: '',
    ...worstRatio(
      sizes.filter((size) => size >= from && size <= 64 * MIB),
      of,
      to,
    ),
  });

  return [
    worstGap({ name: 'tier1 − touch-only, up to 4 MiB', unit: 'µs', atLeast: 20, aim: 2 }, result, 0, 4 * MIB),
    worstGap({ name: 'tier1 − touch-only, 16–256 MiB', unit: 'µs', atLeast: 20, aim: 2 }, result, 16 * MIB, 256 * MIB),
    ratio({ name: 'tier1 ÷ best local way, cold, 1–64 MiB', atLeast: 1.25, aim: 1 }, MIB, tier1, bestLocal),
    ratio({ name: 'tier1 ÷ local-fresh, cold, 1–64 MiB', atLeast: 0.35, aim: 0.12 }, MIB, tier1, fresh),
    ratio(
      { name: '(tier1 + background CPU) ÷ local-fresh, 1–64 MiB', atLeast: 1.3, aim: 1 },
      MIB,
      withBackground,
      fresh,
    ),
    ratio(
      { name: 'tier2 ÷ local-huge, 4–64 MiB', atLeast: 2, aim: 1.2 },
      4 * MIB,
      (size) => p50('tier2', size),
      (size) => p50('local-huge', size),
    ),
    ratio(
      { name: 'tier2-4k ÷ local-fresh, 4–64 MiB', atLeast: 0.6, aim: 0.25 },
      4 * MIB,
      (size) => p50('tier2-4k', size),
      fresh,
    ),
    {
      ...{ name: 'handshake ÷ bare futex ping-pong', unit: '', atLeast: 2.5, aim: 1.3 },
      measured: handshake.ratio_p50,
      n: handshake.n,
    },
    { name: 'idle agent: CPU of a core', unit: '%', atLeast: 1, aim: 0.2, ...measuredBy(agent?.cpu_percent) },
    { name: 'idle agent: memory', unit: 'MiB', atLeast: 30, aim: 15, ...measuredBy(agent?.rss_mib) },
  ];
}

const measuredBy = (value: number | undefined): { measured?: number } =>
  value === undefined ? {} : { measured: value };

const least = (ways: ReadonlyArray<Median | undefined>): Median | undefined =>
  ways.reduce((best, way) => (way && (!best || way.micros < best.micros) ? way : best), undefined);

function worstRatio(
  sizes: readonly number[],
  of: (size: number) => Median | undefined,
  to: (size: number) => Median | undefined,
): Pick<Figure, 'measured' | 'where' | 'n'> {
  let worst: { measured: number; where: string; n: number } | undefined;
  for (const size of sizes) {
    const above = of(size);
    const below = to(size);
    if (!above || !below) continue;
    const measured = above.micros / below.micros;
    if (!worst || measured > worst.measured)
      worst = { measured, where: formatBytes(size), n: Math.min(above.n, below.n) };
  }
  return worst ?? {};
}

/** The gap that speaks most clearly against the promise; where none does, the largest. */
function worstGap(bounds: Bounds, { tier1_minus_touch_us }: BenchResult, from: number, to: number): Figure {
  const gaps = tier1_minus_touch_us.filter(({ bytes }) => bytes >= from && bytes <= to);
  const missed = gaps.filter((gap) => intervalOf(gap)[0] > bounds.atLeast);
  const [worst] = [...(missed.length > 0 ? missed : gaps)].sort((a, b) => b.p50_us - a.p50_us);
  if (!worst) return bounds;
  const { p50_us, bytes, cache, n } = worst;
  return { ...bounds, measured: p50_us, interval: intervalOf(worst), where: `${formatBytes(bytes)} ${cache}`, n };
}

/** Chance, and what the method is off by where both sides do the same. */
const intervalOf = ({ low_us, high_us, control_us }: PairedGap): readonly [number, number] => [
  low_us - Math.abs(control_us),
  high_us + Math.abs(control_us),
];
