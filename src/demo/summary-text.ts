import { TIERS } from '../records.ts';
import { formatBytes, formatMicros, MIB } from '../units.ts';
import { ratioText } from './burst-text.ts';
import type { Palette } from './palette.ts';
import type { Counted, DriveSummary, SizeSummary } from './summary.ts';

/** The tables at the end, for people: 80 characters wide at most. Pure. */
export function summaryText(summary: DriveSummary, palette: Palette): string {
  if (summary.sizes.length === 0) return 'No burst was logged: the applications did not get to ask for memory.\n';
  const parts = [
    palette.strong('Latency of a burst: request to last byte written'),
    aligned([LATENCY_HEAD, ...summary.sizes.map(latencyRow)], palette),
    '',
    palette.strong('Where the memory came from, and what was held ready for it'),
    aligned([SOURCE_HEAD, ...summary.sizes.map(sourceRow)], palette),
    '',
    ...notes(summary).flatMap(wrapped),
  ];
  return `${parts.join('\n')}\n`;
}

const LATENCY_HEAD = ['burst', 'n', 'p50', 'max', 'best local', 'malloc', 'probes', '÷best', '÷malloc'];
function latencyRow(size: SizeSummary): string[] {
  const { served, totalP50Micros, totalMaxMicros, compared } = size;
  return [
    sizeText(size),
    String(served),
    microsText(totalP50Micros),
    microsText(totalMaxMicros),
    microsText(compared?.bestP50Micros),
    microsText(compared?.freshP50Micros),
    String(compared?.probes ?? 0),
    compared ? ratioText(compared.toBest) : NONE,
    compared ? ratioText(compared.toFresh) : NONE,
  ];
}

const SOURCE_HEAD = [
  'burst',
  ...TIERS.map((tier) => (tier === 'peer' ? 'peers' : tier)),
  'no donor',
  'refused',
  'idle before',
];
function sourceRow(size: SizeSummary): string[] {
  const { tierShares, aloneShare, refused, idleBytes } = size;
  return [
    sizeText(size),
    ...TIERS.map((tier) => percentText(tierShares?.[tier])),
    percentText(aloneShare),
    String(refused),
    mebibytesText(idleBytes),
  ];
}

/** A local allocation at a busy moment takes several times as long: fewer than this and one such decides the ratio. */
const FEWEST_PROBES = 5;

function notes({ sizes, served, refusals, probes, notCompared, idle, damagedLines }: DriveSummary): string[] {
  const lines: string[] = [];
  const probed = probes.warm + probes.huge;
  const missing = notCompared.reduce((sum, { n }) => sum + n, 0);
  if (probed > 0) {
    lines.push(
      `Compared with ${probed} local allocations, timed in the same domain at quiet moments. Best local: ${ways(probes)}. malloc: fresh pages, touched. Ratios are p50 over p50.`,
    );
  }
  if (sizes.some(({ compared }) => compared && compared.probes < FEWEST_PROBES)) {
    lines.push(
      `With fewer than ${FEWEST_PROBES} probes a ratio is a hint: one busy moment decides it. memtide bench measures each many times.`,
    );
  }
  if (missing > 0)
    lines.push(`${missing} of ${served} bursts have no local allocation beside them: ${reasons(notCompared)}.`);
  if (refusals.length > 0) lines.push(`Refused: ${reasons(refusals)}.`);
  if (idle) {
    const reserves = Object.entries(idle.reserveBytes).map(
      ([name, bytes]) => `reserve of ${name} ${mebibytesText(bytes)}`,
    );
    lines.push(
      `Idle memory, mean: ${mebibytesText(idle.allBytes)} (${reserves.join(', ')}, pool ${mebibytesText(idle.poolBytes)}).`,
    );
  }
  if (damagedLines > 0) lines.push(`${damagedLines} lines of the logs could not be read.`);
  return lines;
}

const ways = ({ warm, huge }: DriveSummary['probes']): string =>
  [warm > 0 ? `writing warm pages again (${warm})` : '', huge > 0 ? `fresh huge pages (${huge})` : '']
    .filter((text) => text !== '')
    .join(', ');

const MOST_REASONS = 2;
function reasons(all: readonly Counted[]): string {
  const told = all.slice(0, MOST_REASONS).map(({ reason, n }) => `${reason} (${n})`);
  const rest = all.slice(MOST_REASONS).reduce((sum, { n }) => sum + n, 0);
  return [...told, ...(rest > 0 ? [`other reasons (${rest})`] : [])].join('; ');
}

/** The first column at its left, the others at their right. */
function aligned([head = [], ...rows]: readonly (readonly string[])[], palette: Palette): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  return [palette.faint(line(head)), ...rows.map(line)].join('\n');
}

/** In lines of at most 80 characters. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (longer.length <= 80) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const NONE = '-';
const microsText = (value: number | undefined): string => (value === undefined ? NONE : formatMicros(value));
const percentText = (share: number | undefined): string =>
  share === undefined ? NONE : `${(100 * share).toFixed(0)} %`;
const mebibytesText = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
/** `4 MiB` when all were of this size, else `4 MiB+`: from there up to the next row. */
const sizeText = ({ fromBytes, toBytes }: SizeSummary): string =>
  fromBytes === toBytes ? formatBytes(fromBytes) : `${formatBytes(fromBytes)}+`;
