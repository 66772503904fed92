import type { DriveSummary } from '../telemetry/drive/catalogue.ts';
import { formatBytes } from '../units.ts';

/** The drives of a folder as a table, oldest first. Pure. Times are UTC, and `?` follows one that nobody could put right. */
export function drivesText(drives: readonly DriveSummary[]): string {
  if (drives.length === 0) return 'no drives\n';
  const head = ['drive', 'from (UTC)', 'lasts', 'domains', 'messages', 'bursts', 'marks', 'lost', 'size'];
  const rows = drives.map((drive) => [
    drive.name,
    fromText(drive),
    lastsText(drive),
    drive.domains.join(', '),
    String(drive.messages),
    String(drive.bursts),
    String(drive.marks),
    String(drive.lost),
    formatBytes(drive.bytes),
  ]);
  const isText = (column: number): boolean => column === 0 || column === 1 || column === 3;
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  const notes = drives.flatMap(({ name, badLines }) =>
    badLines === 0 ? [] : [`${name}: ${badLines} line${badLines === 1 ? '' : 's'} could not be read`],
  );
  return `${[line(head), ...rows.map(line), ...notes].join('\n')}\n`;
}

function fromText({ fromMillis, untimed }: DriveSummary): string {
  if (fromMillis === undefined) return '-';
  return `${new Date(fromMillis).toISOString().slice(0, 19).replace('T', ' ')}${untimed > 0 ? '?' : ''}`;
}

function lastsText({ fromMillis, toMillis }: DriveSummary): string {
  if (fromMillis === undefined || toMillis === undefined) return '-';
  const seconds = Math.round((toMillis - fromMillis) / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`;
}
