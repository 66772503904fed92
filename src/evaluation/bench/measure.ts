import { medianInterval, percentile, summarize } from '../../latency/percentiles.ts';
import type { BenchRow, PairedGap, TierTwoStages } from './result.ts';
import type { TimedCase } from './timed-case.ts';

/** Runs cases against each other, interleaved, and makes rows of their samples. */

/** Rounds that are run and not kept: page tables, branch predictors and V8 settle. */
const LEAD_IN = 2;

/** The samples of one case, by round. */
export interface Samples {
  readonly of: TimedCase;
  /** NaN where the round gave none. */
  readonly micros: number[];
  readonly faults: number[];
  readonly stages: TierTwoStages[];
}

/**
 * Each round runs every case once. It starts with another case each time, and every second round goes backwards, so
 * that each case has each neighbour before it as often as behind it.
 */
export async function measure(
  cases: readonly TimedCase[],
  size: number,
  rounds: number,
  signal: AbortSignal,
): Promise<Samples[]> {
  const all = cases.filter((one) => one.fits(size)).map((of): Samples => ({ of, micros: [], faults: [], stages: [] }));
  try {
    for (let round = rounds > 0 ? -LEAD_IN : 0; round < rounds; round++) {
      for (let turn = 0; turn < all.length; turn++) {
        signal.throwIfAborted();
        const step = (round + LEAD_IN + turn) % all.length;
        const samples = all[round % 2 === 0 ? step : all.length - 1 - step]!;
        await takeOne(samples, size, round >= 0);
      }
    }
  } finally {
    for (const { of } of all) of.end?.();
  }
  return all;
}

async function takeOne({ of, micros, faults, stages }: Samples, size: number, keep: boolean): Promise<void> {
  await of.prepare?.(size);
  const faultsBefore = process.resourceUsage().minorPageFault;
  const taken = of.sample(size);
  const sample = typeof taken === 'number' ? taken : await taken;
  const faultsTaken = process.resourceUsage().minorPageFault - faultsBefore;
  const split = of.stages?.();
  await of.finish?.(size);
  if (!keep) return;
  micros.push(sample);
  if (Number.isNaN(sample)) return;
  faults.push(faultsTaken);
  if (split) stages.push(split);
}

/** @returns no row for a case that gave no sample. */
export function rowsOf(all: readonly Samples[], size: number): BenchRow[] {
  return all.flatMap(({ of, micros, faults, stages }) => {
    const summary = summarize(micros.filter((sample) => !Number.isNaN(sample)));
    if (!summary) return [];
    return [
      {
        case: of.name,
        ...(of.cache === undefined ? {} : { cache: of.cache }),
        bytes: size,
        n: summary.n,
        p50_us: summary.p50,
        ...(summary.p99 === undefined ? {} : { p99_us: summary.p99 }),
        max_us: summary.max,
        faults_p50: percentile(faults, 0.5)!,
        faults_min: percentile(faults, 0)!,
        ...(stages.length === 0 ? {} : { stages_p50_us: medianStages(stages) }),
      },
    ];
  });
}

function medianStages(stages: readonly TierTwoStages[]): TierTwoStages {
  const median = (name: keyof TierTwoStages): number =>
    percentile(
      stages.map((each) => each[name]),
      0.5,
    )!;
  return {
    notify: median('notify'),
    decide: median('decide'),
    release: median('release'),
    populate: median('populate'),
    touch: median('touch'),
  };
}

/** Appends the samples of a second run of some of the same cases. */
export function addSamples(all: readonly Samples[], more: readonly Samples[]): void {
  for (const { of, micros, faults, stages } of more) {
    const samples = all.find((one) => one.of === of);
    samples?.micros.push(...micros);
    samples?.faults.push(...faults);
    samples?.stages.push(...stages);
  }
}

/** Tier 1 less the bare touch, round by round, and the same for the process's own pool as a control. */
export function pairedGaps(all: readonly Samples[], size: number): PairedGap[] {
  return (['hot', 'cold'] as const).flatMap((cache) => {
    const microsOf = (name: string): readonly number[] =>
      all.find(({ of }) => of.name === name && of.cache === cache)?.micros ?? [];
    const touch = microsOf('touch-only');
    const gapsOf = (name: string): number[] =>
      microsOf(name)
        .map((micros, round) => micros - (touch[round] ?? Number.NaN))
        .filter((gap) => !Number.isNaN(gap));
    const gaps = gapsOf('tier1');
    const control = percentile(gapsOf('local-pool'), 0.5);
    const interval = medianInterval(gaps);
    if (!interval || control === undefined) return [];
    const [low_us, high_us] = interval;
    return [
      { cache, bytes: size, n: gaps.length, p50_us: percentile(gaps, 0.5)!, low_us, high_us, control_us: control },
    ];
  });
}
