import { type Bytes, type Micros, mebibytes, micros } from '../units.ts';

/**
 * What counts as a burst. The first four define it, and the ground truth of a recording is labelled by them; the others
 * say how early the detector may call one.
 */
export interface BurstParameters {
  /** The smallest rise that is worth moving memory for. */
  readonly riseBytes: Bytes;
  /** Up and down of less than this is noise. */
  readonly noiseBytes: Bytes;
  /** A rise counts if it happens within this time; a slower one is drift, and the baseline follows it. */
  readonly baselineMicros: Micros;
  /** Need that has not risen by more than noise for this long is no longer a burst, but the new baseline. */
  readonly settleMicros: Micros;
  /** Over how long the rise rate is smoothed. */
  readonly rateMicros: Micros;
  /** How far ahead the forecast looks: the time in which memory can come, and a margin. */
  readonly horizonMicros: Micros;
  /** Headroom that must remain at the end of the forecast; less is a burst, however small the rise. */
  readonly reserveBytes: Bytes;
  /** Stall time within a second that counts as pressure. */
  readonly stallMicrosPerSecond: number;
}

/**
 * - 8 MiB: one video frame of 1920 x 1080 in RGBA; moving less costs more wake-ups than it saves.
 * - 1 MiB: above the error of RSS counters (64 pages for each CPU) and below what most bursts gain in a few samples.
 * - 2 s: 8 MiB in 2 s is 4 MiB/s; the reserve is refilled faster than that without being told.
 * - 0.5 s: the shipped recordings of decoding, compiling and drawing allocate in steps that are mostly closer than this.
 * - 50 ms: five samples at 100 Hz, so that one scheduling hiccup does not look like a burst.
 * - 100 ms: tier 2 takes some tens of milliseconds with a donor that answers.
 * - 16 MiB: two bursts of the smallest size.
 * - 100 ms in 1 s: a tenth of the time lost is noticed by people.
 */
export const DEFAULT_BURST_PARAMETERS: BurstParameters = {
  riseBytes: mebibytes(8),
  noiseBytes: mebibytes(1),
  baselineMicros: micros(2_000_000),
  settleMicros: micros(500_000),
  rateMicros: micros(50_000),
  horizonMicros: micros(100_000),
  reserveBytes: mebibytes(16),
  stallMicrosPerSecond: 100_000,
};
