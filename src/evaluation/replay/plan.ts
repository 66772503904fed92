import { durationMicros, type MemoryTrace } from '../../pressure/trace.ts';
import { MIB } from '../../units.ts';

/**
 * How a recording becomes what an application does with memory that it asks for: take a lease, give it back. A trace
 * knows only the sum, so the rule here decides how a rise divides into requests. Pure.
 *
 * An application asks before it needs: when the trace has risen by `smallestBytes` above what is held, it takes all that
 * the next `aheadMicros` will need. A sudden rise so becomes a large request and a slow one a row of small ones. Sizes
 * are `smallestBytes` times a power of two, largest first, as buddy allocators divide them: 45 MiB become 32 + 8 + 4 + 1.
 * When the need sinks, whole leases go back, the largest that is not needed first; a lease that the next `aheadMicros`
 * will need again is kept.
 */
export interface ReplayRule {
  /** Sizes times this. */
  readonly scale: number;
  /** 2 plays in half the time. */
  readonly speed: number;
  /** Smallest request, and the step of all sizes. */
  readonly smallestBytes: number;
  /** Largest request; a larger rise takes several. */
  readonly largestBytes: number;
  /** How far ahead the application knows its need, in microseconds as played. */
  readonly aheadMicros: number;
}

/**
 * 1 MiB: what allocators map by themselves instead of carving it out of their heap is of this order. 64 MiB: the policy's
 * step cap. 100 ms: from a click to the picture, the time in which a program knows what it is going to hold.
 */
export const DEFAULT_REPLAY_RULE: ReplayRule = {
  scale: 1,
  speed: 1,
  smallestBytes: MIB,
  largestBytes: 64 * MIB,
  aheadMicros: 100_000,
};

export type ReplayStep =
  | { readonly kind: 'take'; readonly atMicros: number; readonly lease: number; readonly byteLength: number }
  | { readonly kind: 'give'; readonly atMicros: number; readonly lease: number };

export interface ReplayPlan {
  /** In the order of time; `atMicros` counts from the start of the replay. Every lease taken is given back. */
  readonly steps: readonly ReplayStep[];
  readonly durationMicros: number;
  /** Most bytes held at once. */
  readonly peakBytes: number;
}

/** @throws RangeError for a rule that cannot be followed. */
export function planReplay(trace: MemoryTrace, rule: ReplayRule): ReplayPlan {
  checkRule(rule);
  const { smallestBytes, largestBytes } = rule;
  const played = scaled(trace, rule);
  const ahead = largestWithin(played, rule.aheadMicros);
  const steps: ReplayStep[] = [];
  const holding: { lease: number; byteLength: number }[] = [];
  let held = 0;
  let peak = 0;
  let leases = 0;
  for (const [index, atMicros] of played.atMicros.entries()) {
    if (played.usedBytes[index]! - held >= smallestBytes) {
      for (const byteLength of portions(ahead[index]! - held, smallestBytes, largestBytes)) {
        holding.push({ lease: leases, byteLength });
        steps.push({ kind: 'take', atMicros, lease: leases++, byteLength });
        held += byteLength;
      }
      peak = Math.max(peak, held);
    }
    for (;;) {
      const excess = held - ahead[index]!;
      const place = largestUpTo(holding, excess);
      if (place < 0) break;
      const [gone] = holding.splice(place, 1);
      steps.push({ kind: 'give', atMicros, lease: gone!.lease });
      held -= gone!.byteLength;
    }
  }
  const end = durationMicros(played);
  for (const { lease } of holding) steps.push({ kind: 'give', atMicros: end, lease });
  return { steps, durationMicros: end, peakBytes: peak };
}

/** Divides a rise into requests; less than `smallest` of it is left over. */
function* portions(rise: number, smallest: number, largest: number): Generator<number> {
  let left = rise;
  let size = smallest;
  while (size * 2 <= Math.min(left, largest)) size *= 2;
  while (left >= smallest) {
    while (size > left) size /= 2;
    yield size;
    left -= size;
  }
}

function largestUpTo(holding: readonly { readonly byteLength: number }[], limit: number): number {
  let best = -1;
  for (const [place, { byteLength }] of holding.entries()) {
    if (byteLength <= limit && (best < 0 || byteLength > holding[best]!.byteLength)) best = place;
  }
  return best;
}

function scaled({ atMicros, usedBytes }: MemoryTrace, { scale, speed }: ReplayRule): MemoryTrace {
  const start = atMicros[0] ?? 0;
  return {
    atMicros: atMicros.map((at) => (at - start) / speed),
    usedBytes: usedBytes.map((used) => used * scale),
  };
}

/** For each sample the largest use from it on until `aheadMicros` later: a sliding maximum, in one pass from the end. */
function largestWithin({ atMicros, usedBytes }: MemoryTrace, aheadMicros: number): Float64Array {
  const largest = new Float64Array(usedBytes.length);
  /** Samples that may still be a maximum, the nearest last; their use sinks towards the end of the list. */
  const candidates: number[] = [];
  let farthest = 0;
  for (let index = usedBytes.length - 1; index >= 0; index--) {
    while (candidates.length > farthest && usedBytes[candidates.at(-1)!]! <= usedBytes[index]!) candidates.pop();
    candidates.push(index);
    while (atMicros[candidates[farthest]!]! > atMicros[index]! + aheadMicros) farthest++;
    largest[index] = usedBytes[candidates[farthest]!]!;
  }
  return largest;
}

function checkRule({ scale, speed, smallestBytes, largestBytes, aheadMicros }: ReplayRule): void {
  const positive = (value: number): boolean => Number.isFinite(value) && value > 0;
  if (!positive(scale) || !positive(speed)) throw new RangeError(`scale ${scale} and speed ${speed} must be above 0`);
  if (!Number.isSafeInteger(smallestBytes) || smallestBytes < 1 || largestBytes < smallestBytes) {
    throw new RangeError(`no sizes between ${smallestBytes} and ${largestBytes} bytes`);
  }
  if (!(aheadMicros >= 0)) throw new RangeError(`cannot look ahead by ${aheadMicros} microseconds`);
}
