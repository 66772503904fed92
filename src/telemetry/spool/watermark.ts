/**
 * What a sink says on `sink/watermark`, retained and every so often: up to which number of which spool it holds everything,
 * gaps that it was told of included. Read by hand, because an agent loads no schemas for it; the schema is in schema.ts.
 */
import type { Interval } from './number-set.ts';

export interface Watermark {
  readonly watermark: number;
  /** The first ranges that it lacks; absent: it does not say. */
  readonly missing?: readonly Interval[];
}

export type WatermarkResult =
  | { readonly ok: true; readonly said: Watermark }
  | { readonly ok: false; readonly reason: string };

/** Longer than any watermark, short enough to parse at once. */
const MAX_BYTES = 4096;
export const MAX_MISSING = 64;

/** @param written the highest number that was ever published: a sink cannot hold more. */
export function readWatermark(content: Buffer, spoolId: string, written: number): WatermarkResult {
  const refuse = (reason: string): WatermarkResult => ({ ok: false, reason });
  if (content.length > MAX_BYTES) return refuse(`more than ${MAX_BYTES} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch {
    return refuse('not JSON');
  }
  if (typeof value !== 'object' || value === null) return refuse('not an object');
  const { v, spool, watermark, missing } = value as Record<string, unknown>;
  if (v !== undefined && v !== 1) return refuse('another version');
  if (spool !== spoolId) return refuse('of another spool');
  if (!isNumberUpTo(watermark, written)) return refuse(`watermark: accepted: a whole number from 0 to ${written}`);
  if (missing === undefined) return { ok: true, said: { watermark } };
  if (!Array.isArray(missing) || missing.length > MAX_MISSING)
    return refuse(`missing: accepted: ${MAX_MISSING} ranges`);
  for (const range of missing as unknown[]) {
    const [from, to] = Array.isArray(range) && range.length === 2 ? range : [];
    if (!isNumberUpTo(from, written) || !isNumberUpTo(to, written) || from <= watermark || to < from) {
      return refuse(`missing: accepted: ranges of ${watermark + 1} to ${written}`);
    }
  }
  return { ok: true, said: { watermark, missing: missing as Interval[] } };
}

const isNumberUpTo = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
