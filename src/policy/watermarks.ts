/**
 * How much reserve a domain should hold ahead of need, and when to change it. The target follows what was really
 * drawn: a larger draw raises it at once, quiet lets it sink by half in each half-life. Between the low and the high
 * watermark nothing moves; once a watermark is crossed the reserve is moved to the target, not just to the mark, so
 * that it does not hover there. Refilling goes in one step, giving back in small ones: a missing reserve costs a
 * burst its latency, an unneeded one costs idle memory for a few seconds.
 */

export interface WatermarkRule {
  /** Bounds of the target, in bytes. */
  readonly smallestTarget: number;
  readonly largestTarget: number;
  /** The target over the largest recent draw; above 1. */
  readonly headroom: number;
  /** The watermarks over the target: low below 1, high above 1. */
  readonly lowShare: number;
  readonly highShare: number;
  /** Time in which an unused target sinks by half. */
  readonly halfLifeMicros: number;
  /** The share of the excess that is given back in one step, above 0 and at most 1. */
  readonly giveBackShare: number;
  /** An excess up to this many bytes is given back in one step, so that draining ends. */
  readonly smallestGiveBack: number;
}

/** The largest recent draw, sunk by the time since; in bytes. */
export interface Demand {
  readonly drawnBytes: number;
  readonly atMicros: number;
}

export const NO_DEMAND: Demand = { drawnBytes: 0, atMicros: 0 };

/** @param drawnBytes what was drawn from the reserve (and wanted beyond it) since the last observation. */
export function observeDraw(demand: Demand, drawnBytes: number, nowMicros: number, rule: WatermarkRule): Demand {
  return { drawnBytes: Math.max(drawnBytes, sunk(demand, nowMicros, rule)), atMicros: nowMicros };
}

function sunk(demand: Demand, nowMicros: number, rule: WatermarkRule): number {
  const elapsed = Math.max(0, nowMicros - demand.atMicros);
  return demand.drawnBytes * 2 ** (-elapsed / rule.halfLifeMicros);
}

/** In bytes; `low` ≤ `target` ≤ `high`. */
export interface Watermarks {
  readonly low: number;
  readonly target: number;
  readonly high: number;
}

export function watermarksFor(demand: Demand, nowMicros: number, rule: WatermarkRule): Watermarks {
  const wished = Math.ceil(sunk(demand, nowMicros, rule) * rule.headroom);
  return marksAround(Math.min(rule.largestTarget, Math.max(rule.smallestTarget, wished)), rule);
}

/** The watermarks of a target that is known otherwise; in bytes. */
export function marksAround(target: number, rule: WatermarkRule): Watermarks {
  return { low: Math.floor(target * rule.lowShare), target, high: Math.ceil(target * rule.highShare) };
}

/** What the reserve is doing: carried from step to step, because a started change goes on to the target. */
export type ReservePhase = 'steady' | 'filling' | 'draining';

export interface ReserveStep {
  readonly phase: ReservePhase;
  /** Bytes by which to grow the reserve (positive) or to give back (negative). */
  readonly change: number;
}

/** @param held bytes in the reserve now. */
export function stepReserve(marks: Watermarks, held: number, phase: ReservePhase, rule: WatermarkRule): ReserveStep {
  const filling = held < marks.low || (phase === 'filling' && held < marks.target);
  if (filling) return { phase: 'filling', change: marks.target - held };

  const draining = held > marks.high || (phase === 'draining' && held > marks.target);
  if (!draining) return { phase: 'steady', change: 0 };
  const excess = held - marks.target;
  const part = Math.floor(excess * rule.giveBackShare);
  return { phase: 'draining', change: -Math.min(excess, Math.max(part, rule.smallestGiveBack)) };
}
