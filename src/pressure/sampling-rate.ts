import { type Micros, micros } from '../units.ts';
import type { BurstState } from './burst-detector.ts';
import type { BurstParameters } from './burst-parameters.ts';

/** How often to look, in microseconds between readings. */
export interface SamplingRate {
  /** While nothing happens. It bounds how late a burst can be seen; 10 Hz cost 0.2 % of an x86 CPU, most of it
   * Node's timer and not the reading. */
  readonly quietMicros: Micros;
  /** While memory rises or headroom is small. Node's timers allow no less than 1 ms. */
  readonly alertMicros: Micros;
  /** How long to stay alert after the last reason: bursts come in groups. */
  readonly lingerMicros: Micros;
}

export const DEFAULT_SAMPLING_RATE: SamplingRate = {
  quietMicros: micros(100_000),
  alertMicros: micros(10_000),
  lingerMicros: micros(1_000_000),
};

/** Pure: whether this is a moment to look often. A domain that is small and still needs no watching. */
export function isAlert(
  { burst, usedBytes, baselineBytes, riseRateBytesPerSecond }: BurstState,
  headroomBytes: number | undefined,
  { noiseBytes, reserveBytes, riseBytes }: BurstParameters,
): boolean {
  if (burst || usedBytes - baselineBytes > noiseBytes) return true;
  const scarce = headroomBytes !== undefined && headroomBytes < reserveBytes + riseBytes;
  return scarce && riseRateBytesPerSecond > noiseBytes;
}
