import type { Bytes, Micros } from '../units.ts';

/** What the burst detector tells: start, peak, end; and why it called a burst. */
export type BurstCause = 'rise' | 'headroom' | 'stall';

export interface BurstStart {
  readonly kind: 'start';
  /** When it was detected. */
  readonly atMicros: Micros;
  /** When the need left the baseline: the last reading within noise of it. */
  readonly startedAtMicros: Micros;
  readonly cause: BurstCause;
  readonly baselineBytes: Bytes;
  readonly usedBytes: Bytes;
  readonly riseRateBytesPerSecond: number;
  /** What will be needed on top of `usedBytes` within the horizon. */
  readonly forecastBytes: Bytes;
}

export interface BurstPeak {
  readonly kind: 'peak';
  readonly atMicros: Micros;
  readonly peakAtMicros: Micros;
  readonly peakBytes: Bytes;
}

export interface BurstEnd {
  readonly kind: 'end';
  readonly atMicros: Micros;
  /** `fell`: half of the rise has been given back. `settled`: the need stays, and is the new baseline. */
  readonly how: 'fell' | 'settled';
  readonly startedAtMicros: Micros;
  readonly peakAtMicros: Micros;
  readonly peakBytes: Bytes;
  /** Peak above baseline. */
  readonly riseBytes: Bytes;
  /** Start to the fall, or to the last new height where it settled. */
  readonly durationMicros: Micros;
}

/** Always `start`, then one `peak` or more (a burst may climb again), then `end`. */
export type BurstEvent = BurstStart | BurstPeak | BurstEnd;
