/** Spans in which nothing was heard of a domain: neither drawn as if all had stayed as it was, nor as zero. */
import type { DomainData } from './drive-model.ts';

export interface Silence {
  readonly domain: string;
  readonly fromMillis: number;
  readonly toMillis: number;
}

/** Agents that have nothing new to tell say so once in ten readings, at 10 Hz once a second. */
const SHORTEST_MILLIS = 5000;
/** Slower ones are silent only beyond several of their own intervals. */
const INTERVALS = 5;
/** Intervals that are looked at for the usual one. */
const SAMPLE = 101;

/** How long a domain may say nothing before it counts as silent. */
export function patienceMillis({ alloc }: DomainData): number {
  const { times } = alloc;
  if (times.length < 3) return SHORTEST_MILLIS;
  const step = Math.max(1, Math.floor((times.length - 1) / SAMPLE));
  const intervals: number[] = [];
  for (let row = step; row < times.length; row += step) intervals.push(times[row]! - times[row - 1]!);
  intervals.sort((a, b) => a - b);
  return Math.max(SHORTEST_MILLIS, INTERVALS * intervals[(intervals.length - 1) >> 1]!);
}

/** Silences that touch a span. @param endMillis up to when the drive is known: now, or the end of the file. */
export function silencesIn(domain: DomainData, fromMillis: number, toMillis: number, endMillis: number): Silence[] {
  const { alloc, name } = domain;
  const patience = patienceMillis(domain);
  const { times } = alloc;
  const found: Silence[] = [];
  const first = Math.max(0, alloc.rowAt(fromMillis));
  const last = Math.min(times.length - 1, alloc.rowAt(toMillis) + 1);
  for (let row = first; row < last; row++) {
    if (times[row + 1]! - times[row]! > patience) {
      found.push({ domain: name, fromMillis: times[row]!, toMillis: times[row + 1]! });
    }
  }
  const latest = times[times.length - 1];
  if (latest !== undefined && last === times.length - 1 && endMillis - latest > patience && latest < toMillis) {
    found.push({ domain: name, fromMillis: latest, toMillis: endMillis });
  }
  return found;
}
