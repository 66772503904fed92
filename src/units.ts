/**
 * Quantities with their unit in the type. A brand costs nothing at run time and stops a `KiB` from being handed to
 * something that counts bytes. Convert with the functions below, never by hand.
 */
declare const unit: unique symbol;
type Quantity<Unit extends string> = number & { readonly [unit]: Unit };

/** A number of bytes: a non-negative safe integer. */
export type Bytes = Quantity<'bytes'>;
/** A duration or a monotonic instant in microseconds. */
export type Micros = Quantity<'microseconds'>;
/** A duration or a monotonic instant in milliseconds. */
export type Millis = Quantity<'milliseconds'>;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** @param count a whole, non-negative number of bytes. @throws RangeError for anything else. */
export function bytes(count: number): Bytes {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`not a number of bytes: ${count}`);
  return count as Bytes;
}

/** A peer's figure, believed only if it can be a number of bytes. */
export const sizeOr = (value: number | undefined, otherwise: number): number =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : otherwise;

/** @param count mebibytes, fractions allowed; the result is rounded to whole bytes. */
export const mebibytes = (count: number): Bytes => bytes(Math.round(count * MIB));
/** @param count kibibytes, the unit in which Linux and Xen report memory. */
export const kibibytes = (count: number): Bytes => bytes(Math.round(count * KIB));
export const toMebibytes = (count: number): number => count / MIB;

export const micros = (count: number): Micros => count as Micros;
export const millis = (count: number): Millis => count as Millis;
export const millisToMicros = (count: Millis): Micros => (count * 1000) as Micros;

/** `value` rounded up to the next multiple of `step` (> 0). */
export const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;
/** `value` rounded down to a multiple of `step` (> 0). */
export const roundDown = (value: number, step: number): number => Math.floor(value / step) * step;

const SCALE: ReadonlyArray<readonly [suffix: string, factor: number]> = [
  ['GiB', GIB],
  ['MiB', MIB],
  ['KiB', KIB],
];

/** For people: `1572864` becomes `1.5 MiB`. */
export function formatBytes(count: number): string {
  for (const [suffix, factor] of SCALE) {
    if (Math.abs(count) >= factor) {
      const scaled = count / factor;
      return `${scaled >= 100 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toFixed(1)} ${suffix}`;
    }
  }
  return `${count} B`;
}

/** For people: `1234.5` microseconds become `1.23 ms`. */
export function formatMicros(count: number): string {
  if (count < 10) return `${count.toFixed(1)} µs`;
  if (count < 1000) return `${count.toFixed(0)} µs`;
  if (count < 10_000) return `${(count / 1000).toFixed(2)} ms`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(1)} ms`;
  return `${(count / 1_000_000).toFixed(2)} s`;
}

/**
 * Reads a size as people write it: `64KiB`, `16 MiB`, `1GiB`, or plain bytes (`65536`).
 * `undefined` when the text is none of these; `KB` and `MB` are refused because they mean two things.
 */
export function parseBytes(text: string): Bytes | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?\s*$/.exec(text);
  if (!match) return undefined;
  const factor = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB }[match[2] ?? 'B'];
  const count = Number(match[1]) * (factor ?? 1);
  return Number.isSafeInteger(count) ? (count as Bytes) : undefined;
}
