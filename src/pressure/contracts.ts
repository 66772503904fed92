import type { PressureSample, Scope } from '../records.ts';

/**
 * One source of pressure readings: /proc with PSI, a cgroup's files, or a recorded trace. `sample()` keeps its
 * descriptors open, allocates little and is cheap enough for 100 Hz.
 */
export interface PressureSource {
  readonly scope: Scope;
  /** Reads now. What cannot be read is absent from the sample and named in `missing`, with the mend. */
  sample(): PressureSample;
  close(): void;
}
