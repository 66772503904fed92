/**
 * What one guest's play came to, from what `play-plan` wrote and from its kernel's counts before and after. Pure.
 *
 * A request **found** its memory where `MemAvailable`, read just before it, was no less than what was asked: nothing had to
 * come, nobody was in its way. It was **short** where less was there: the program then lives on what it squeezes out of the
 * kernel's caches and on what comes while it writes. It is **lost** where the kernel killed the program at it. The hit rate
 * is what found its memory over all requests of the plan: short and lost ones are misses.
 */
import { MemtideError } from '../../../errors.ts';
import { KIB } from '../../../units.ts';

/** A step that begins so much after its time is late: a person sees it. */
export const LATE_MICROS = 100_000;

export interface PlayOutcome {
  readonly found: number;
  readonly short: number;
  readonly lost: number;
  /** Of the program, by the kernel for want of memory. */
  readonly kills: number;
  readonly lateSteps: number;
  readonly latestMicros: number;
  /** Over all requests, from mapping to the last byte written. */
  readonly writingMicros: number;
  readonly longestWriteMicros: number;
  /** Least that was available at a request. */
  readonly leastAvailableBytes: number;
}

/** @throws MemtideError where it was cut short: the last line says that the plan was at its end. */
export function readFigures(text: string): PlayOutcome {
  let [found, short, lost, kills, lateSteps, latestMicros, writingMicros, longestWriteMicros] = [
    0, 0, 0, 0, 0, 0, 0, 0,
  ];
  let leastAvailableBytes = Number.POSITIVE_INFINITY;
  let isWhole = false;
  const late = (micros: number): void => {
    if (micros > LATE_MICROS) lateSteps++;
    latestMicros = Math.max(latestMicros, micros);
  };
  for (const line of text.split('\n')) {
    const [kind, ...rest] = line.split(' ');
    const numbers = rest.map(Number);
    if (kind === 'take') {
      const [, , byteLength = 0, availableKib = 0, lateBy = 0, written = 0] = numbers;
      late(lateBy);
      if (availableKib * KIB >= byteLength) found++;
      else short++;
      leastAvailableBytes = Math.min(leastAvailableBytes, availableKib * KIB);
      writingMicros += written;
      longestWriteMicros = Math.max(longestWriteMicros, written);
    } else if (kind === 'give') {
      late(numbers[2] ?? 0);
    } else if (kind === 'killed') {
      kills++;
      if ((numbers[2] ?? 0) > 0) lost++;
    } else if (kind === 'end') {
      late(numbers[1] ?? 0);
      isWhole = true;
    }
  }
  if (!isWhole) {
    throw new MemtideError({
      operation: 'read what a play came to',
      expected: 'a last line: end',
      actual: text.trim().split('\n').at(-1) ?? 'nothing',
      remedy: 'look into the guest’s log: the program’s own words are there',
    });
  }
  return {
    found,
    short,
    lost,
    kills,
    lateSteps,
    latestMicros,
    writingMicros,
    longestWriteMicros,
    leastAvailableBytes: Number.isFinite(leastAvailableBytes) ? leastAvailableBytes : 0,
  };
}

/** The kernel's own counts, which only rise. */
export interface KernelCounts {
  readonly someMicros: number;
  readonly fullMicros: number;
  readonly oomKills: number;
}

/** @param text of /proc/pressure/memory, and the line `oom_kill` of /proc/vmstat. */
export function readCounts(text: string): KernelCounts {
  const find = (what: string, form: RegExp): number => {
    const value = form.exec(text)?.[1];
    if (value !== undefined) return Number(value);
    throw new MemtideError({
      operation: 'read the guest’s stalls and kills',
      expected: what,
      actual: text.trim().slice(0, 200),
      remedy: 'boot the guest with psi=1',
    });
  };
  return {
    someMicros: find('some … total=', /^some .*\btotal=(\d+)/m),
    fullMicros: find('full … total=', /^full .*\btotal=(\d+)/m),
    oomKills: find('oom_kill', /^oom_kill (\d+)/m),
  };
}

export const countsBetween = (before: KernelCounts, after: KernelCounts): KernelCounts => ({
  someMicros: after.someMicros - before.someMicros,
  fullMicros: after.fullMicros - before.fullMicros,
  oomKills: after.oomKills - before.oomKills,
});
