import { formatBytes } from '../units.ts';
import type { BackendStatus, DomainStatus, SpoolFigures } from './backend-status.ts';

/** What the spools hold and have lost, a line each: nothing where none is configured. */
export function spoolTable(backend: BackendStatus, domains: Readonly<Record<string, DomainStatus | string>>): string[] {
  const rows = [
    { name: 'back end', spool: backend.spool },
    ...Object.entries(domains).map(([name, told]) => ({
      name,
      spool: typeof told === 'string' ? undefined : told.telemetry?.spool,
    })),
  ].flatMap(({ name, spool }) => (spool ? [{ name, text: spoolText(spool) }] : []));
  if (rows.length === 0) return [];
  const width = Math.max('spool'.length, ...rows.map(({ name }) => name.length));
  return ['', 'spool', ...rows.map(({ name, text }) => `${name.padEnd(width)}  ${text}`)];
}

function spoolText(spool: SpoolFigures): string {
  const { unsent, unconfirmed, bytes, cap_bytes, dropped, gaps, refused, problem } = spool;
  return [
    `${unsent} unsent, ${unconfirmed} unconfirmed`,
    `${formatBytes(bytes)} of ${formatBytes(cap_bytes)}`,
    `${dropped} dropped in ${gaps} gap${gaps === 1 ? '' : 's'}`,
    ...(refused > 0 ? [`${refused} not taken`] : []),
    ...(problem === undefined ? [] : [problem]),
  ].join(', ');
}
