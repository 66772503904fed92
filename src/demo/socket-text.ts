import { formatBytes } from '../units.ts';
import type { DomainStatus } from './backend-status.ts';

/** What goes on at the agents' sockets: nothing where only applications that map the control file are connected. */
export function socketTable(domains: Readonly<Record<string, DomainStatus | string>>): string[] {
  const rows = Object.entries(domains).flatMap(([name, told]) => {
    const text = typeof told === 'string' || told.socket === undefined ? '' : socketText(told.socket);
    return text === '' ? [] : [{ name, text }];
  });
  if (rows.length === 0) return [];
  const width = Math.max('socket'.length, ...rows.map(({ name }) => name.length));
  return ['', 'socket', ...rows.map(({ name, text }) => `${name.padEnd(width)}  ${text}`)];
}

function socketText(figures: Readonly<Record<string, number>>): string {
  const of = (key: string): number => figures[key] ?? 0;
  const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
  const some = (key: string, what: string): string[] => (of(key) > 0 ? [`${of(key)} ${what}`] : []);
  const asked = of('served') + of('refused');
  const faults = [
    ...some('misread', 'misread'),
    ...some('ended_for_garbage', 'cut off for garbage'),
    ...some('ended_for_not_reading', 'cut off for not reading'),
    ...some('turned_away', 'turned away'),
  ];
  if (asked === 0 && faults.length === 0) return '';
  return [
    plural(of('connections'), 'connection'),
    `${plural(of('leases'), 'lease')} of ${formatBytes(of('leased_bytes'))}`,
    ...some('waiting', 'waiting'),
    `${of('served')} served`,
    `${of('refused')} refused`,
    ...faults,
  ].join(', ');
}
