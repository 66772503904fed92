import { percentile, SAMPLES_FOR_P99 } from '../../../latency/percentiles.ts';

/** Where a burst was served from. `own`: what its domain held or was offered. Pure. */
export const SERVED_FROM = ['own', 'pool', 'donor', 'refused'] as const;
export type ServedFrom = (typeof SERVED_FROM)[number];

export interface BurstSample {
  readonly domain: number;
  readonly byteLength: number;
  readonly from: ServedFrom;
  /** From the request to the last byte written; to the refusal of one that was refused. */
  readonly micros: number;
}

/** A figure of bursts of which some were refused; `refused`: it falls among those, which are slower than any. */
export type Latency = number | 'refused';

export interface Outcomes {
  readonly n: number;
  readonly p50: Latency;
  /** From 1,000 bursts on. */
  readonly p99?: Latency;
  /** Of those that were served; absent where none was. */
  readonly max?: number;
  /** Share of the bursts that had to be asked for beyond their domain, or were refused. */
  readonly missShare: number;
  readonly counts: Readonly<Record<ServedFrom, number>>;
}

export function outcomesOf(samples: readonly BurstSample[]): Outcomes {
  const counts = Object.fromEntries(
    SERVED_FROM.map((from) => [from, samples.filter((sample) => sample.from === from).length]),
  ) as Record<ServedFrom, number>;
  const micros = samples.map((sample) => (sample.from === 'refused' ? Number.POSITIVE_INFINITY : sample.micros));
  const latency = (share: number): Latency => {
    const value = percentile(micros, share) ?? Number.POSITIVE_INFINITY;
    return Number.isFinite(value) ? value : 'refused';
  };
  const served = micros.filter(Number.isFinite);
  return {
    n: samples.length,
    p50: latency(0.5),
    ...(samples.length >= SAMPLES_FOR_P99 && { p99: latency(0.99) }),
    ...(served.length > 0 && { max: served.reduce((most, value) => Math.max(most, value), 0) }),
    missShare: samples.length === 0 ? 0 : (samples.length - counts.own) / samples.length,
    counts,
  };
}
