import { textTable } from '../../text-table.ts';
import { formatBytes, formatMicros } from '../../units.ts';
import { describeEnvironment } from './environment.ts';
import { type Figure, figuresOf } from './figures.ts';
import type { BenchResult, BenchRow } from './run.ts';

/** The bench for people: one row a case, one column a size, then the figures that were promised. */
export function renderBench(result: BenchResult): string {
  const sizes = [...new Set(result.rows.map((row) => row.bytes))].sort((a, b) => a - b);
  return [
    describeEnvironment(result.environment),
    arenaLine(result),
    '',
    'p50 from the request until the last byte is written (claims and refusals: without the touch)',
    latencyTable(result.rows, sizes),
    '',
    backgroundLines(result),
    '',
    figureTable(figuresOf(result)),
  ].join('\n');
}

function arenaLine({ environment }: BenchResult): string {
  const { arena_mib, arena_huge, arena_huge_reason, arena_locked } = environment as Record<string, unknown>;
  const pages = arena_huge ? 'huge pages' : `base pages (${String(arena_huge_reason ?? 'as configured')})`;
  return `arena ${String(arena_mib)} MiB, ${pages}, ${arena_locked ? 'locked in memory' : 'not locked in memory'}`;
}

function latencyTable(rows: readonly BenchRow[], sizes: readonly number[]): string {
  const names = [...new Set(rows.map((row) => nameOf(row)))];
  const lines = names.map((name) => {
    const mine = rows.filter((row) => nameOf(row) === name);
    const cells = sizes.map((size) => {
      const row = mine.find((one) => one.bytes === size);
      return row ? formatMicros(row.p50_us) : '–';
    });
    const counts = mine.map((row) => row.n);
    const most = Math.max(...counts);
    const least = Math.min(...counts);
    return [name, ...cells, most === least ? String(most) : `${least}–${most}`];
  });
  const head = ['case', ...sizes.map(formatBytes), 'n'];
  return textTable(head, lines, ['left', ...head.slice(1).map(() => 'right' as const)]);
}

const nameOf = (row: BenchRow): string => (row.cache ? `${row.case} ${row.cache}` : row.case);

function backgroundLines({ background: b, handshake: h, agent }: BenchResult): string {
  return [
    'What the warm memory costs beside the latency:',
    `  scrubbing            ${b.cpu_us_per_mib.toFixed(0)} µs of CPU a MiB, in the background, for each use`,
    `  populating           ${b.populate_us_per_mib.toFixed(0)} µs a MiB, once; connecting and mapping ${formatMicros(b.connect_us)}, once`,
    `  idle warm memory     ${b.idle_warm_mib.toFixed(0)} MiB held for these figures; hit rate ${(b.hit_rate * 100).toFixed(1)} %; re-warmed at ${(b.rewarm_mib_per_s / 1024).toFixed(1)} GiB/s`,
    `  handshake            ${formatMicros(h.p50_us)} p50, ${h.p99_us === undefined ? '–' : formatMicros(h.p99_us)} p99 (n ${h.n}); bare futex ping-pong ${formatMicros(h.futex_p50_us)}`,
    agent
      ? `  an idle agent        ${agent.cpu_percent.toFixed(2)} % of a core, ${agent.rss_mib.toFixed(1)} MiB above an idle Node (${agent.sample_hz} Hz, over ${agent.seconds} s)`
      : '  an idle agent        not measured',
  ].join('\n');
}

function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, measured, atLeast, aim, unit, where }) => {
    const show = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(1)}${unit}`;
    const verdict = measured === undefined ? '' : measured <= aim ? 'aim met' : measured <= atLeast ? 'met' : 'MISSED';
    const value =
      measured === undefined ? 'not measured' : `${show(measured)}${where === undefined ? '' : ` at ${where}`}`;
    return [name, value, `≤ ${show(atLeast)}`, `≤ ${show(aim)}`, verdict];
  });
  return `The worst size counts for each figure.\n\n${textTable(['figure', 'measured', 'at least', 'aim', ''], rows)}`;
}
