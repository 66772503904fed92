import { summarize } from '../../../latency/percentiles.ts';
import type { PlayRow, ReplayStudyResult, RivalRow } from './result.ts';

const STATIC = 'static split';
const QMEMMAN = 'qmemman-like';
const MEMTIDE = 'memtide';
/** Of memtide's stall to qmemman-like's. */
const MOST_STALL_RATIO = 0.5;

/** Over the guests of each play, and over the plays of each rival: kills and requests of all, medians of the rest. */
export function summarizePlays(plays: readonly PlayRow[]): RivalRow[] {
  return [...new Set(plays.map(({ rival }) => rival))].map((rival) => {
    const own = plays.filter((play) => play.rival === rival);
    const rows = own.flatMap(({ guests }) => guests);
    type Figure = { [Key in keyof (typeof rows)[number]]: (typeof rows)[number][Key] extends number ? Key : never };
    type Name = NonNullable<Figure[keyof Figure]>;
    const all = (name: Name): number => rows.reduce((sum, row) => sum + row[name], 0);
    const median = (name: Name, over: (values: readonly number[]) => number): number =>
      summarize(own.map(({ guests }) => over(guests.map((row) => row[name]))))!.p50;
    const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
    const largest = (values: readonly number[]): number => Math.max(...values);
    return {
      rival,
      n: own.length,
      psi_some_us: median('psi_some_us', sum),
      psi_full_us: median('psi_full_us', sum),
      oom_kills: all('oom_kills'),
      kills: all('kills'),
      hit_rate: all('found') / Math.max(1, all('requests')),
      short: all('short'),
      lost: all('lost'),
      late_steps: median('late_steps', sum),
      latest_us: median('latest_us', largest),
      writing_us: median('writing_us', sum),
      longest_write_us: median('longest_write_us', largest),
      mean_held_bytes: median('mean_held_bytes', sum),
    };
  });
}

/** What is promised, where the rivals that it is said of were played. */
export function boundsOf(rivals: readonly RivalRow[]): ReplayStudyResult['bounds'] {
  const find = (name: string): RivalRow | undefined => rivals.find(({ rival }) => rival === name);
  const [split, qmemman, memtide] = [find(STATIC), find(QMEMMAN), find(MEMTIDE)];
  const bound = (what: string, measured: number | undefined, most: number) => ({
    what,
    ...(measured !== undefined && { measured }),
    most,
    met: measured !== undefined && measured <= most,
  });
  return [
    ...(memtide && split && split.oom_kills > 0
      ? [bound('kills, where the static split kills', memtide.oom_kills, 0)]
      : []),
    ...(memtide && qmemman
      ? [
          bound(
            'stall (PSI some) of memtide, qmemman-like’s = 1',
            ratio(memtide.psi_some_us, qmemman.psi_some_us),
            MOST_STALL_RATIO,
          ),
        ]
      : []),
  ];
}

/** @returns undefined for some of nothing. */
function ratio(part: number, whole: number): number | undefined {
  if (part === 0) return 0;
  return whole === 0 ? undefined : part / whole;
}
