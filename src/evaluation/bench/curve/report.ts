import { Ansis } from 'ansis';
import { formatBytes, formatMicros, MIB } from '../../../units.ts';
import { type PlotPoint, textPlot } from '../text-plot.ts';
import { alignedTable } from '../text-table.ts';
import type { Latency } from './outcomes.ts';
import type { Curve, CurvePoint, CurveResult } from './result.ts';

const PLOT = { width: 60, height: 11 };

/** The curve for people: how it was taken, then a table and a plot for each recording. */
export function curveText(result: CurveResult, { colours }: { readonly colours: boolean }): string {
  const colour = new Ansis(colours ? 1 : 0);
  const { environment: e, curves, warnings } = result;
  const sections = [
    [
      `${e.cpu}, ${e.cores} CPUs, ${e.memory_mib} MiB, ${e.arch}, Linux ${e.kernel}, Node ${e.node}; load ${e.load_1min.toFixed(2)}`,
      `arena ${e.arena_mib} MiB, ${e.arena_huge ? 'huge pages' : 'base pages'}, ${e.arena_locked ? 'locked in memory' : 'not locked in memory'}`,
    ].join('\n'),
    `${colour.bold('How it is taken')}\n${rules(result)}`,
    ...curves.map((curve) => curveSection(curve, colour)),
    ...(warnings.length > 0 ? [warnings.map((warning) => `! ${warning}`).join('\n')] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

const rules = ({ gap_ms }: CurveResult): string =>
  [
    'Two domains play the same recording, the second one ahead of the first. A burst is one request of them: from the',
    'request to the last byte written.',
    `Quiet gaps longer than ${gap_ms} ms are cut to ${gap_ms} ms; who holds what at the same time stays as it was.`,
    'set aside   held for the bursts of both domains: memtide’s reserves and offers, or the shares of the static split.',
    '            The rest of the arena is a third domain’s cache: memtide may call it back, the static split may not.',
    'idle        of all memory, what no application has: mean over recorded time',
    'missed      memtide: asked for beyond the domain (served all the same, unless refused); static: refused',
    'static      a fixed share for each domain, by its worst case. What does not fit is refused at once and done without:',
    '            its latency counts as longer than any.',
  ].join('\n');

function curveSection(curve: Curve, colour: Ansis): string {
  const times = curve.recorded_s / Math.max(curve.played_s, Number.MIN_VALUE);
  const head =
    `${curve.memtide[0]!.n} bursts a line; ${curve.recorded_s.toFixed(0)} s played in ${curve.played_s.toFixed(2)} s (${times.toFixed(0)}×); ` +
    `sizes × ${curve.scale.toFixed(2)}; ${ahead(curve.offsets_s)}`;
  const need =
    `worst cases ${mib(curve.worst_case_mib)}, together at most ${mib(curve.joint_peak_mib)}, ` +
    `suggested by the joint distribution ${mib(curve.suggested_mib)}`;
  return [
    colour.bold(curve.recording) + colour.dim(` ${head}`),
    need,
    '',
    table(curve),
    '',
    `${colour.dim('p99 against idle memory:')} ● memtide  ○ static split`,
    plot(curve),
  ].join('\n');
}

function ahead(offsets: readonly number[]): string {
  const seconds = (at: number): string => offsets.at(at)!.toFixed(1);
  if (offsets.length === 1) return `the second domain ahead by ${seconds(0)} s`;
  return `the second domain ahead by ${seconds(0)} to ${seconds(-1)} s in ${offsets.length} rounds`;
}

const mib = (value: number): string => formatBytes(Math.round(value) * MIB);
const latency = (value: Latency | undefined): string =>
  value === undefined ? '–' : value === 'refused' ? 'refused' : formatMicros(value);
const percent = (share: number): string => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function table({ memtide, static_split, local_fresh, local_pool }: Curve): string {
  const cells = (point: CurvePoint): string[] => [
    mib(point.idle_mib),
    latency(point.p50_us),
    latency(point.p99_us),
    latency(point.max_us),
    percent(point.miss_share),
  ];
  const locals = [
    ['malloc + touch', local_fresh],
    ['resident pool', local_pool],
  ] as const;
  return alignedTable([
    ['', 'memtide', '', '', '', '', '', 'static', '', '', '', ''],
    ['set aside', 'idle', 'p50', 'p99', 'max', 'missed', 'refused', 'idle', 'p50', 'p99', 'max', 'missed'],
    ...memtide.map((point, index) => [
      `${mib(point.set_aside_mib)}${point.name ? ` (${point.name})` : ''}`,
      ...cells(point),
      String(point.served_from.refused ?? 0),
      ...cells(static_split[index]!),
    ]),
    ...locals.map(([name, row]) => [name, '', latency(row.p50_us), latency(row.p99_us), latency(row.max_us)]),
  ]);
}

function plot({ memtide, static_split, local_fresh, local_pool }: Curve): string {
  // Below 1,000 bursts there is no p99; the slowest stands in.
  const at = (point: CurvePoint, mark: string): PlotPoint[] => {
    const value = point.p99_us ?? (point.served_from.refused ? 'refused' : point.max_us);
    return value === undefined ? [] : [{ x: point.idle_mib, y: value === 'refused' ? 'above' : value, mark }];
  };
  return textPlot({
    points: [...static_split.flatMap((point) => at(point, '○')), ...memtide.flatMap((point) => at(point, '●'))],
    levels: [
      { y: local_fresh.p99_us ?? local_fresh.max_us, line: '┄', name: 'malloc + touch' },
      { y: local_pool.p99_us ?? local_pool.max_us, line: '─', name: 'resident pool' },
    ],
    ...PLOT,
    formatX: (x) => `${mib(x)} idle`,
    formatY: formatMicros,
    above: 'refused',
  });
}
