import type { MemoryTrace } from '../../../src/pressure/trace.ts';
import { MIB } from '../../../src/units.ts';

/** One sample each 10 ms; `used` in MiB as a function of seconds. */
export function traceOf(seconds: number, used: (at: number) => number): MemoryTrace {
  const count = Math.round(seconds * 100) + 1;
  return {
    atMicros: Float64Array.from({ length: count }, (_, index) => index * 10_000),
    usedBytes: Float64Array.from({ length: count }, (_, index) => Math.round(used(index / 100) * MIB)),
  };
}

/** From `from` to `to` between two instants, flat before and after. */
export const ramp = (from: number, to: number, begin: number, end: number) => (at: number) =>
  from + (to - from) * Math.min(1, Math.max(0, (at - begin) / (end - begin)));
