import { formatBytes, formatMicros, MIB } from '../units.ts';
import { ratioText, sinceText, sourceText } from './burst-text.ts';
import { type BurstLine, changeRate, type DemoState } from './demo-state.ts';
import type { Palette } from './palette.ts';
import { drawTide, type TideRow } from './tide.ts';

/** The live picture, as lines. Pure: the same state gives the same lines, whatever the clock or the terminal. */
export interface ViewFrame {
  readonly state: DemoState;
  /** What does not change while it runs. */
  readonly scene: ViewScene;
  readonly elapsedMicros: number;
  readonly columns: number;
  readonly rows: number;
  readonly palette: Palette;
}

export interface ViewScene {
  /** Domains from top to bottom; the pool lies between the first and the others. */
  readonly domains: readonly string[];
  /** What can be lent. */
  readonly arenaBytes: number;
  readonly peakDemand: number;
  readonly recording: string;
  readonly mode: string;
  /** Absent: until Ctrl-C. */
  readonly durationMicros?: number;
  /** Monotonic instant of the start. */
  readonly startMicros: number;
  readonly runDir: string;
  readonly brokerUrl?: string;
  /** Of the same in the browser. */
  readonly dashboardUrl?: string;
}

const GLYPH = { private: '▓', leased: '█', reserve: '▒', offered: '░', pool: '·' } as const;
const LABEL_WIDTH = 14;
const FIGURES_WIDTH = 22;
const NARROWEST = 60;
/** Lines that are not bursts. */
const FIXED_LINES = 17;
const FEWEST_BURSTS = 3;

export function renderView(frame: ViewFrame): string[] {
  const columns = Math.max(NARROWEST, frame.columns);
  return [
    ...title(frame, columns),
    '',
    ...picture(frame, columns),
    '',
    ...pressure(frame, columns),
    '',
    ...bursts(frame, columns),
    '',
    ...footer(frame, columns),
  ];
}

function title({ scene, elapsedMicros, palette }: ViewFrame, columns: number): string[] {
  const { arenaBytes, peakDemand, recording, mode, durationMicros } = scene;
  const elapsed = `${Math.floor(elapsedMicros / 1e6)} s`;
  const clock = durationMicros === undefined ? `${elapsed}, until Ctrl-C` : `${elapsed} of ${durationMicros / 1e6} s`;
  const name = 'memtide';
  return [
    palette.strong(name) + spread('', clock, columns - name.length),
    cut(`demand peaks at ${peakDemand.toFixed(2)} × the ${formatBytes(arenaBytes)} that there are to lend`, columns),
    palette.faint(cut(`${recording} replayed in ${scene.domains[0]}; mode ${mode}`, columns)),
  ];
}

function picture({ state, scene, palette }: ViewFrame, columns: number): string[] {
  const width = columns - LABEL_WIDTH - FIGURES_WIDTH;
  const [first = '', ...others] = scene.domains;
  const names = [first, 'pool', ...others];
  const rows = names.map((name): TideRow => (name === 'pool' ? poolRow(state) : domainRow(state, name)));
  const drawn = drawTide(rows, scene.arenaBytes, width);
  const lines = names.map((name, place) => {
    const bytes = rows[place]!.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const known = name === 'pool' ? state.poolBytes !== undefined : state.domains[name]?.leasedBytes !== undefined;
    const figures = known ? formatBytes(roundToMib(bytes)).padStart(9) + rateText(state, name) : '        -';
    const paint = (text: string): string =>
      name === 'pool' ? palette.faint(text) : palette.domain(scene.domains.indexOf(name), text);
    return paint(name.padEnd(LABEL_WIDTH) + drawn[place]) + figures.padEnd(FIGURES_WIDTH);
  });
  const legend = `${GLYPH.leased} leased  ${GLYPH.reserve} reserve  ${GLYPH.offered} offered  ${GLYPH.pool} of nobody`;
  return [...lines, palette.faint(cut(' '.repeat(LABEL_WIDTH) + legend + privateLegend(rows), columns))];
}

/** Only where there is private memory to be seen. */
const privateLegend = (rows: readonly TideRow[]): string =>
  rows.some(({ segments }) => segments.some(({ glyph, bytes }) => glyph === GLYPH.private && bytes > 0))
    ? `  ${GLYPH.private} private`
    : '';

function domainRow({ domains }: DemoState, name: string): TideRow {
  const { usedBytes = 0, leasedBytes = 0, reserveBytes = 0, offeredBytes = 0 } = domains[name] ?? {};
  return {
    segments: [
      { glyph: GLYPH.private, bytes: Math.max(0, usedBytes - leasedBytes) },
      { glyph: GLYPH.leased, bytes: leasedBytes },
      { glyph: GLYPH.reserve, bytes: reserveBytes },
      { glyph: GLYPH.offered, bytes: offeredBytes },
    ],
  };
}

/** What is offered belongs to nobody yet, but is drawn with the domain that may claim it. */
function poolRow({ poolBytes = 0, domains }: DemoState): TideRow {
  const offered = Object.values(domains).reduce((sum, { offeredBytes = 0 }) => sum + offeredBytes, 0);
  return { segments: [{ glyph: GLYPH.pool, bytes: Math.max(0, poolBytes - offered) }] };
}

/** Below this a change is no tide. */
const CALM_BYTES_PER_SECOND = 4 * MIB;

function rateText({ domains }: DemoState, name: string): string {
  const domain = domains[name];
  const rate = domain && changeRate(domain);
  if (rate === undefined || Math.abs(rate) < CALM_BYTES_PER_SECOND) return '';
  return ` ${rate > 0 ? '▲' : '▼'}${(Math.abs(rate) / MIB).toFixed(0)} MiB/s`;
}

function pressure({ state, palette }: ViewFrame, columns: number): string[] {
  const { psi, served, servedAlone, refused, movedBytes } = state;
  const stalls = psi
    ? `some ${psi.somePercent.toFixed(1)} %, full ${psi.fullPercent.toFixed(1)} % of the last 10 s (${psi.scope})`
    : 'not known: this kernel tells no PSI, or has not yet';
  const share = served === 0 ? '-' : `${((100 * servedAlone) / served).toFixed(0)} %`;
  const refusals = `${refused} refused`;
  const counts = `${served} served, ${share} without a donor, `;
  return [
    'pressure'.padEnd(LABEL_WIDTH) + cut(stalls, columns - LABEL_WIDTH),
    'bursts'.padEnd(LABEL_WIDTH) +
      cut(counts, columns - LABEL_WIDTH - refusals.length) +
      (refused > 0 ? palette.bad(refusals) : refusals),
    'moved'.padEnd(LABEL_WIDTH) + cut(`${formatBytes(movedBytes)} given by others`, columns - LABEL_WIDTH),
  ];
}

/** A column of the list of bursts; those with the highest `drop` go first where the terminal is narrow. */
interface Column {
  readonly head: string;
  readonly width: number;
  readonly drop: number;
  readonly left?: boolean;
  readonly cell: (burst: BurstLine, startMicros: number) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'at', width: 7, drop: 1, cell: ({ atMicros }, start) => sinceText(atMicros - start) },
  { head: 'domain', width: 12, drop: 0, left: true, cell: ({ domain }) => domain },
  { head: 'burst', width: 7, drop: 0, cell: ({ requestedBytes }) => formatBytes(requestedBytes) },
  {
    head: 'served in',
    width: 9,
    drop: 0,
    cell: ({ totalMicros, refusal }) => (refusal === undefined ? formatMicros(totalMicros) : 'refused'),
  },
  { head: 'best local', width: 10, drop: 0, cell: ({ local }) => (local ? formatMicros(local.bestMicros) : '-') },
  { head: 'malloc', width: 8, drop: 2, cell: ({ local }) => (local ? formatMicros(local.freshMicros) : '-') },
  { head: '÷best', width: 6, drop: 0, cell: (burst) => ratio(burst, 'bestMicros') },
  { head: '÷malloc', width: 7, drop: 3, cell: (burst) => ratio(burst, 'freshMicros') },
  { head: 'from', width: 36, drop: 4, left: true, cell: ({ tierBytes, refusal }) => refusal ?? sourceText(tierBytes) },
];

const ratio = ({ local, totalMicros, refusal }: BurstLine, to: 'bestMicros' | 'freshMicros'): string =>
  local && refusal === undefined ? ratioText(totalMicros / local[to]) : '-';

function bursts({ state, scene, columns: given, rows, palette }: ViewFrame, columns: number): string[] {
  const shown = fitting(Math.max(given, columns));
  const count = Math.max(FEWEST_BURSTS, rows - FIXED_LINES);
  const last = state.bursts.slice(-count).reverse();
  const line = (cellOf: (column: Column) => string): string =>
    shown
      .map((column) => {
        const text = cut(cellOf(column), column.width);
        return column.left ? text.padEnd(column.width) : text.padStart(column.width);
      })
      .join(' ')
      .trimEnd();
  const lines = last.map((burst) => {
    const text = line(({ cell }) => cell(burst, scene.startMicros));
    return burst.refusal === undefined ? palette.domain(scene.domains.indexOf(burst.domain), text) : palette.bad(text);
  });
  if (lines.length === 0) lines.push(palette.faint('  the first ones are being compared with local allocations'));
  while (lines.length < count) lines.push('');
  return [palette.strong(line(({ head }) => head)), ...lines];
}

/** As many columns as fit, the least telling ones left out first. */
function fitting(columns: number): readonly Column[] {
  let shown = COLUMNS;
  const widthOf = (some: readonly Column[]): number => some.reduce((sum, { width }) => sum + width + 1, -1);
  while (widthOf(shown) > columns) {
    const dropped = Math.max(...shown.map(({ drop }) => drop));
    shown = shown.filter(({ drop }) => drop !== dropped);
  }
  return shown;
}

function footer({ scene, palette }: ViewFrame, columns: number): string[] {
  if (scene.dashboardUrl !== undefined) return [cut(`in the browser: ${scene.dashboardUrl}`, columns)];
  const status = `memtide status --run-dir ${scene.runDir}`;
  // Half an address is none.
  const withBroker = `${status}   ${scene.brokerUrl}`;
  const whole = scene.brokerUrl !== undefined && withBroker.length <= columns;
  return [palette.faint(cut(whole ? withBroker : status, columns))];
}

const roundToMib = (bytes: number): number => Math.round(bytes / MIB) * MIB;
const cut = (text: string, width: number): string => (text.length > width ? `${text.slice(0, width - 1)}…` : text);
/** One text at each end of the line. */
const spread = (left: string, right: string, width: number): string => left + right.padStart(width - left.length);
