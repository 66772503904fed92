import { Ansis } from 'ansis';
import type { BurstRecord } from '../records.ts';
import { formatBytes, formatMicros, MIB } from '../units.ts';
import type { LiveState, DomainState } from './live-state.ts';

/** What does not change while it runs. */
export interface ViewFrame {
  readonly totalBytes: number;
  readonly peakDemand: number;
  readonly recording: string;
  readonly mode: string;
  readonly elapsedSeconds: number;
  /** `undefined`: until Ctrl-C. */
  readonly durationSeconds: number | undefined;
  readonly columns: number;
  readonly rows: number;
  readonly colours: boolean;
}

const NAME_WIDTH = 13;

/** The live view as lines, none wider than the terminal. Pure. */
export function liveLines(state: LiveState, frame: ViewFrame): string[] {
  const paint = new Ansis(frame.colours ? 3 : 0);
  const width = Math.max(40, frame.columns);
  const lines = [
    header(frame),
    paint.dim(
      fit(
        `${frame.recording} replayed in infotainment; all peaks together ${frame.peakDemand.toFixed(1)} × what there is`,
        width,
      ),
    ),
    '',
  ];
  const barWidth = Math.max(12, Math.min(48, width - NAME_WIDTH - 26));
  for (const [name, domain] of state.domains) lines.push(...domainLines(name, domain, frame, barWidth, paint));
  const pool = state.poolBytes ?? 0;
  lines.push(
    fit(
      `${'pool'.padEnd(NAME_WIDTH)}${bar([[pool, '▒']], frame.totalBytes, barWidth)} ${formatBytes(pool)} free, of no domain`,
      width,
    ),
    paint.dim(fit(`${' '.repeat(NAME_WIDTH)}█ leased  ▓ reserve (tier 0)  ░ offered (tier 1)`, width)),
    '',
    paint.bold(fit(BURST_HEAD, width)),
  );
  const room = Math.max(3, Math.min(12, frame.rows - lines.length - 1));
  for (const record of state.recent.slice(-room).reverse()) lines.push(burstLine(record, width, paint));
  return lines;
}

function header({ mode, totalBytes, elapsedSeconds, durationSeconds, columns }: ViewFrame): string {
  const time =
    durationSeconds === undefined ? `${elapsedSeconds} s, Ctrl-C ends` : `${elapsedSeconds} of ${durationSeconds} s`;
  return fit(`memtide  ${formatBytes(totalBytes)} for two domains, mode ${mode}   ${time}`, columns);
}

function domainLines(name: string, domain: DomainState, frame: ViewFrame, barWidth: number, paint: Ansis): string[] {
  const { leasedBytes = 0, reserveBytes = 0, offeredBytes = 0, stallPercent, bursts, refused } = domain;
  const cells = bar(
    [
      [leasedBytes, '█'],
      [reserveBytes, '▓'],
      [offeredBytes, '░'],
    ],
    frame.totalBytes,
    barWidth,
  );
  const colour = name === 'cluster' ? paint.cyan : paint.magenta;
  const counts = `${bursts} bursts${refused > 0 ? `, ${refused} refused` : ''}`;
  return [
    `${paint.bold(name.padEnd(NAME_WIDTH))}${colour(cells)} ${fit(`${formatBytes(leasedBytes)} leased`, 24)}`,
    fit(
      `${' '.repeat(NAME_WIDTH)}reserve ${formatBytes(reserveBytes)}, offered ${formatBytes(offeredBytes)}; ${counts}; ` +
        `stalls ${stallPercent === undefined ? '–' : `${stallPercent.toFixed(1)} %`}`,
      frame.columns,
    ),
  ];
}

/** Parts of `whole`, one character for each, side by side. */
function bar(parts: ReadonlyArray<readonly [size: number, character: string]>, whole: number, width: number): string {
  let text = '';
  let sum = 0;
  for (const [size, character] of parts) {
    sum += size;
    text = text.padEnd(Math.min(width, Math.round((sum / whole) * width)), character);
  }
  return text.padEnd(width, '·');
}

const BURST_HEAD = `${'burst'.padEnd(NAME_WIDTH)}${'size'.padStart(8)}  ${'tier'.padEnd(10)}${'total'.padStart(8)}  ${'best local'.padStart(10)}  ${'fresh'.padStart(8)}  vs best`;

function burstLine(record: BurstRecord, width: number, paint: Ansis): string {
  const { domain, requestedBytes, totalMicros, probe, outcome, refusal } = record;
  const start = `${domain.padEnd(NAME_WIDTH)}${formatBytes(requestedBytes).padStart(8)}  `;
  if (outcome === 'refused') return paint.yellow(fit(`${start}refused: ${refusal ?? 'no reason given'}`, width));
  const measured = probe?.kind === 'measured' ? probe : undefined;
  const cells = [
    tierOf(record).padEnd(10),
    formatMicros(totalMicros).padStart(8),
    '  ',
    (measured ? formatMicros(measured.bestMicros) : '–').padStart(10),
    '  ',
    (measured ? formatMicros(measured.freshMicros) : '–').padStart(8),
    '  ',
    measured ? `${(totalMicros / measured.bestMicros).toFixed(2)} ×` : '',
  ];
  return fit(start + cells.join(''), width);
}

/** The tiers that gave, in the order of their number: `0+1`. */
function tierOf({ tierBytes }: BurstRecord): string {
  const tiers = [tierBytes.reserve, tierBytes.pool, tierBytes.peer].flatMap((bytes, tier) =>
    bytes > 0 ? [String(tier)] : [],
  );
  return `tier ${tiers.join('+')}`;
}

const fit = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;

/** One line a second where there is no terminal to redraw. */
export function plainLine(state: LiveState, elapsedSeconds: number): string {
  const domains = [...state.domains].map(
    ([name, { leasedBytes = 0, reserveBytes = 0, bursts, refused }]) =>
      `${name} leased ${(leasedBytes / MIB).toFixed(0)} reserve ${(reserveBytes / MIB).toFixed(0)} MiB, ${bursts} bursts${refused > 0 ? ` (${refused} refused)` : ''}`,
  );
  return `${String(elapsedSeconds).padStart(4)} s  ${domains.join(' | ')} | pool ${((state.poolBytes ?? 0) / MIB).toFixed(0)} MiB`;
}
