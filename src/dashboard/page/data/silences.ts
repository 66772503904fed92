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

interface Known {
  rows: number;
  readonly patience: number;
  readonly merges: number;
  readonly silences: Silence[];
}

/** Silences that are over, of each domain, and up to which row they were looked for. */
const found = new WeakMap<DomainData, Known>();

/** Silences that touch a span. @param endMillis up to when the drive is known: now, or the end of the file. */
export function silencesIn(domain: DomainData, fromMillis: number, toMillis: number, endMillis: number): Silence[] {
  const { times } = domain.alloc;
  const silences = endedSilences(domain).filter((each) => each.toMillis > fromMillis && each.fromMillis < toMillis);
  const latest = times[times.length - 1];
  if (latest !== undefined && endMillis - latest > patienceMillis(domain) && latest < toMillis) {
    silences.push({ domain: domain.name, fromMillis: latest, toMillis: endMillis });
  }
  return silences;
}

/** Looks only at rows that are new, unless some came late or the domain's pace is another. */
function endedSilences(domain: DomainData): readonly Silence[] {
  const { alloc, name } = domain;
  const { times } = alloc;
  const patience = patienceMillis(domain);
  let known = found.get(domain);
  if (!known || known.patience !== patience || alloc.merges !== known.merges) {
    known = { rows: 0, patience, merges: alloc.merges, silences: [] };
    found.set(domain, known);
  }
  for (let row = Math.max(1, known.rows); row < times.length; row++) {
    if (times[row]! - times[row - 1]! <= patience) continue;
    known.silences.push({ domain: name, fromMillis: times[row - 1]!, toMillis: times[row]! });
  }
  known.rows = times.length;
  return known.silences;
}
