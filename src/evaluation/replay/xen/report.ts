import { formatBytes, formatMicros } from '../../../units.ts';
import { alignedTable } from '../../bench/text-table.ts';
import type { PlayRow, ReplayStudyResult, RivalRow } from './result.ts';
import { CONTROLS, RIVALS } from './rivals.ts';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** A column a rival, as in the other reports of more figures than rows; every play below. */
export function replayStudyText({ environment, rivals, bounds, plays }: ReplayStudyResult): string {
  const e = environment;
  const figure = (name: string, of: (row: RivalRow) => string): string[] => [name, ...rivals.map(of)];
  const table = [
    ['both guests', ...rivals.map(({ rival }) => rival)],
    figure('plays', ({ n }) => String(n)),
    figure('stall, PSI some (median)', (row) => formatMicros(row.psi_some_us)),
    figure('stall, PSI full (median)', (row) => formatMicros(row.psi_full_us)),
    figure('killed for want of memory', (row) => String(row.oom_kills)),
    figure('  of these the program that plays', (row) => String(row.kills)),
    figure('reserve hit rate', (row) => percent(row.hit_rate)),
    figure('  found too little', (row) => String(row.short)),
    figure('  lost with the program', (row) => String(row.lost)),
    figure('late steps (> 100 ms; median)', (row) => String(row.late_steps)),
    figure('  the latest (median)', (row) => formatMicros(row.latest_us)),
    figure('writing what was asked (median)', (row) => formatMicros(row.writing_us)),
    figure('  the longest (median)', (row) => formatMicros(row.longest_write_us)),
    figure('held over time (median)', (row) => formatBytes(Math.round(row.mean_held_bytes))),
  ];
  const own = Object.entries(e.own_bytes).map(([name, size]) => `${name} ${formatBytes(size)}`);
  return `${[
    `${e.recordings.join(', ')} in both guests, ${e.play_s.toFixed(0)} s, ${e.rounds === 1 ? 'once' : `${e.rounds} times, by turns`}. All times are emulated on an emulated board: only`,
    `ratios within one boot say something. ${e.cpu}, Linux ${e.kernel}.`,
    `${formatBytes(e.total_bytes)} for both guests, floors of ${formatBytes(e.floor_bytes)}. Peaks, with what guests need themselves (${own.join(', ')}): ${formatBytes(e.peaks_bytes)}`,
    `added up, ${formatBytes(e.together_bytes)} at any one time. Under memtide the guests’ agents take of the same memory.`,
    '',
    alignedTable(table),
    '',
    alignedTable([PLAY_HEAD, ...plays.flatMap(playRows)]),
    '',
    ...bounds.map(
      ({ what, measured, most, met }) =>
        `${met ? '✔' : '✘'} ${what}: ${round(measured)}; at most ${most} is promised${met ? '' : ': missed'}`,
    ),
    ...[...RIVALS, ...CONTROLS]
      .filter(({ name }) => rivals.some(({ rival }) => rival === name))
      .map(({ name, about }) => `  ${name}: ${about}`),
    '  reserve hit rate: requests that found as much available as they asked for, of all; those too late or never made are misses',
  ].join('\n')}\n`;
}

function round(value: number | undefined): string {
  if (value === undefined) return 'more than none';
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

const PLAY_HEAD = [
  'each play',
  'guest',
  'some',
  'full',
  'kills',
  'found',
  'short',
  'lost',
  'late',
  'latest',
  'held',
  'at the end',
];

const playRows = ({ rival, round: at, guests }: PlayRow): string[][] =>
  guests.map((row) => [
    `${rival} ${at + 1}`,
    row.guest,
    formatMicros(row.psi_some_us),
    formatMicros(row.psi_full_us),
    String(row.oom_kills),
    `${row.found}/${row.requests}`,
    String(row.short),
    String(row.lost),
    String(row.late_steps),
    formatMicros(row.latest_us),
    formatBytes(Math.round(row.mean_held_bytes)),
    formatBytes(row.held_at_end_bytes),
  ]);
