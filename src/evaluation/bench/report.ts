import { Ansis } from 'ansis';
import { formatBytes, formatMicros } from '../../units.ts';
import { type Figure, figuresOf, type Verdict, verdictOf } from './figures.ts';
import type { BenchResult, BenchRow } from './result.ts';
import { alignedTable } from './text-table.ts';

/** The bench for people: the machine, one row a case and one column a size, what it cost, what was promised. */
export function reportText(result: BenchResult, { colours }: { readonly colours: boolean }): string {
  const colour = new Ansis(colours ? 1 : 0);
  const { rows } = result;
  const section = (title: string, note: string, body: string): string =>
    `${colour.bold(title)}${colour.dim(note)}\n${body}`;
  const p99 = rows.filter((row) => row.p99_us !== undefined);
  const sections = [
    environmentLines(result).join('\n'),
    section(
      'p50',
      ' from the request until the last byte is written; tier1-claim, -api, -socket and -empty without the touch',
      sizeTable(rows, (row) => formatMicros(row.p50_us)),
    ),
    ...(p99.length > 0
      ? [
          section(
            'p99',
            ' of 1,000 samples or more',
            sizeTable(p99, (row) => formatMicros(row.p99_us!)),
          ),
        ]
      : []),
    section(
      'Slowest sample',
      '',
      sizeTable(rows, (row) => formatMicros(row.max_us)),
    ),
    section('Samples', '', sampleTable(rows)),
    section(
      'What warm memory costs beside the latency',
      ' (paid in the background, before and after a burst)',
      alignedTable(backgroundRows(result), 1),
    ),
    section('What memtide promises', ' (the worst size counts)', figureTable(figuresOf(result), colour)),
    ...remarks(result).map((lines) => section('To be kept in mind', '', lines)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function environmentLines({ environment: e }: BenchResult): string[] {
  const pages = e.arena_huge ? 'huge pages' : `base pages (${e.arena_huge_reason ?? 'as configured'})`;
  return [
    `${e.cpu}, ${e.cores} CPUs, ${e.memory_mib} MiB, ${e.arch}, Linux ${e.kernel}, Node ${e.node}`,
    `pages of ${formatBytes(e.page_bytes)}, huge ${e.huge_page_bytes === undefined ? 'none' : formatBytes(e.huge_page_bytes)}; ` +
      `transparent huge pages ${e.thp ?? 'off'}; last-level cache ${formatBytes(e.last_level_cache_bytes)}; load ${e.load_1min.toFixed(2)}`,
    `arena ${formatBytes(e.arena_mib * 2 ** 20)}, ${pages}, ${e.arena_locked ? 'locked in memory' : 'not locked in memory'}; ` +
      `cold = going round in ${formatBytes(e.cold_bytes)} or more`,
    `malloc of ${e.malloc}`,
  ];
}

/** The order in which cases are shown: local ways, the floor under all, memtide. */
const CASES = [
  ...['local-fresh', 'local-populate', 'local-huge', 'local-warm', 'local-pool', 'touch-only'],
  ...['tier1', 'tier1-claim', 'tier1-api', 'tier1-socket', 'tier1-empty', 'tier2', 'tier2-4k'],
];
const nameOf = ({ case: name, cache }: BenchRow): string => (cache === undefined ? name : `${name} ${cache}`);
const namesOf = (rows: readonly BenchRow[]): string[] => [
  ...new Set([...rows].sort((a, b) => CASES.indexOf(a.case) - CASES.indexOf(b.case)).map(nameOf)),
];
const sizesOf = (rows: readonly BenchRow[]): number[] =>
  [...new Set(rows.map((row) => row.bytes))].sort((a, b) => a - b);

function sizeTable(rows: readonly BenchRow[], cell: (row: BenchRow) => string): string {
  const sizes = sizesOf(rows);
  return alignedTable([
    ['', ...sizes.map(formatBytes)],
    ...namesOf(rows).map((name) => [name, ...cellsOf(rows, name, sizes, cell)]),
  ]);
}

const cellsOf = (
  rows: readonly BenchRow[],
  name: string,
  sizes: readonly number[],
  cell: (row: BenchRow) => string,
): string[] =>
  sizes.map((size) => {
    const row = rows.find((one) => nameOf(one) === name && one.bytes === size);
    return row ? cell(row) : '–';
  });

/** Cases that have the same number of samples at every size that they fit share a line. */
function sampleTable(rows: readonly BenchRow[]): string {
  const sizes = sizesOf(rows);
  const groups: { names: string[]; counts: string[] }[] = [];
  for (const name of namesOf(rows)) {
    const counts = cellsOf(rows, name, sizes, (row) => String(row.n));
    const group = groups.find((one) => one.counts.every((count, at) => count === counts[at]));
    if (group) group.names.push(name);
    else groups.push({ names: [name], counts });
  }
  const lines = groups.map(({ names, counts }) => [
    `${names[0]}${names.length > 1 ? ` and ${names.length - 1} more` : ''}`,
    ...counts,
  ]);
  return alignedTable([['', ...sizes.map(formatBytes)], ...lines]);
}

function backgroundRows({ background: b, handshake: h, agent }: BenchResult): string[][] {
  const perMib = (micros: number): string => `${micros.toFixed(0)} µs/MiB`;
  return [
    ['CPU for each use', perMib(b.cpu_us_per_mib), `front and back end; ${perMib(b.scrub_us_per_mib)} of it scrubbing`],
    ...b.by_size.map(({ bytes, cpu_us_per_mib }) => [`  leases of ${formatBytes(bytes)}`, perMib(cpu_us_per_mib), '']),
    ['populating', perMib(b.populate_us_per_mib), 'once, when the arena is made'],
    ['connecting', formatMicros(b.connect_us), `once an application; mapping ${perMib(b.map_us_per_mib)}`],
    [
      'idle warm memory',
      `${b.idle_warm_mib.toFixed(0)} MiB`,
      `hit rate ${(b.hit_rate * 100).toFixed(1)} %; re-warmed at ${(b.rewarm_mib_per_s / 1024).toFixed(1)} GiB/s`,
    ],
    [
      'handshake',
      formatMicros(h.p50_us),
      `${h.p99_us === undefined ? '' : `p99 ${formatMicros(h.p99_us)}; `}bare futex ping-pong ${formatMicros(h.futex_p50_us)} (n ${h.n})`,
    ],
    agent
      ? [
          'idle agent',
          `${agent.rss_mib.toFixed(1)} MiB`,
          `and ${agent.cpu_percent.toFixed(2)} % of a core, above an idle Node`,
        ]
      : ['idle agent', 'not measured', ''],
  ];
}

export function figureTable(figures: readonly Figure[], colour: Ansis): string {
  const words: Record<Verdict, string> = {
    aim: colour.green('✔ aim met'),
    met: colour.green('✔ met'),
    unclear: colour.yellow('~ within the noise'),
    missed: colour.red('✘ missed'),
    'not measured': '',
  };
  return alignedTable(
    [
      ['', 'measured', 'at least', 'aim', '', ''],
      ...figures.map((figure) => {
        const { name, unit, measured, where, n, interval, atLeast, aim } = figure;
        const show = (value: number): string => `${rounded(value)}${unit && ` ${unit}`}`;
        const detail = [
          where && `at ${where}`,
          interval && `[${interval.map(rounded).join(', ')}]`,
          n === undefined ? undefined : `n ${n}`,
        ];
        return [
          name,
          measured === undefined ? 'not measured' : show(measured),
          `≤ ${show(atLeast)}`,
          `≤ ${show(aim)}`,
          words[verdictOf(figure)],
          colour.dim(detail.filter(Boolean).join(' ')),
        ];
      }),
    ],
    3,
  );
}

const rounded = (value: number): string => (Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(0));

/** @returns one section, or none. */
function remarks({ left_out, warnings }: BenchResult): string[] {
  const lines = [
    ...left_out.map(({ case: name, bytes, reason }) => `left out: ${formatBytes(bytes)}, ${name}: ${reason}`),
    ...warnings,
  ];
  return lines.length === 0 ? [] : [lines.map((line) => `! ${line}`).join('\n')];
}
