/** Where axes have their lines. */
import { MIB } from '../../../units.ts';

/** Three to six lines at whole powers of two, or multiples of them. */
export function byteSplits(maxBytes: number): number[] {
  const step = Math.max(MIB / 16, 2 ** Math.floor(Math.log2(Math.max(1, maxBytes) / 3)));
  return Array.from({ length: Math.floor(maxBytes / step) + 1 }, (_, i) => i * step);
}

/** Powers of ten between two values. */
export function decades(min: number, max: number): number[] {
  const [from, to] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => 10 ** (from + i));
}

/** A latency as an axis has it: `10 µs`, `1 ms`. */
export function decadeText(micros: number): string {
  if (micros < 1) return `${micros} µs`;
  if (micros < 1000) return `${Math.round(micros)} µs`;
  return micros < 1e6 ? `${Math.round(micros / 1000)} ms` : `${Math.round(micros / 1e6)} s`;
}
