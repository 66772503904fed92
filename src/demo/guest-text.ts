import { formatBytes, MIB } from '../units.ts';
import type { BackendStatus, DomainStatus } from './backend-status.ts';
import { columns } from './columns.ts';

/** Guests of Xen: what each holds by Xen's count, may grow to by itself, and is lent by dom0. Nothing where there are none. */
export function guestTable({ xen, lent }: BackendStatus): string[] {
  const names = [...new Set([...(xen?.guests ?? []), ...(lent?.guests ?? [])].map(({ name }) => name))];
  if (names.length === 0) return [];
  const rows = names.map((name) => {
    const own = xen?.guests.find((guest) => guest.name === name);
    const borrowed = lent?.guests.find((guest) => guest.name === name);
    const held = own && (own.held_bytes > 0 ? mebibytes(own.held_bytes) : 'not there');
    return [
      `${name}${own?.stuck ? ' (stuck)' : ''}`,
      held ?? '-',
      own ? mebibytes(Math.max(own.entitlement_bytes, own.held_bytes)) : '-',
      borrowed ? mebibytes(borrowed.granted_bytes) : '-',
      borrowed ? mebibytes(borrowed.leased_bytes) : '-',
    ];
  });
  const facts = [
    ...(xen ? [`${mebibytes(xen.pool_bytes)} in the pool of Xen’s ${mebibytes(xen.free_bytes)} free`] : []),
    ...(lent ? [`${mebibytes(lent.arena_bytes)} of dom0 to lend${owedText(lent)}`] : []),
  ];
  return [
    '',
    ...columns([['guest of Xen', 'holds', 'may grow to', 'lent', 'of it leased'], ...rows]),
    facts.join('; '),
  ];
}

function owedText({ owed_bytes: owed, stuck_bytes: stuck }: NonNullable<BackendStatus['lent']>): string {
  if (owed === 0) return '';
  return `, ${mebibytes(owed)} not let go of yet${stuck > 0 ? ` (${mebibytes(stuck)} stuck)` : ''}`;
}

/** In a domain without a back end, such as a guest: what its agents say. */
export function agentsText(runDir: string, agents: Readonly<Record<string, DomainStatus | string>>): string {
  const rows = Object.entries(agents).map(([name, told]) => {
    if (typeof told === 'string') return [name, '-', '-', '-', '-', told.split('\n', 1)[0]!];
    const { limit_bytes, used_bytes, programs, leases, backend_is_there, enforced_by } = told;
    return [
      name,
      limit_bytes === undefined ? '-' : mebibytes(limit_bytes),
      used_bytes === undefined ? '-' : mebibytes(used_bytes),
      programs === undefined ? '-' : String(programs),
      leases === undefined ? '-' : 'from dom0',
      backend_is_there === false ? 'the back end is away' : (enforced_by ?? 'connected'),
    ];
  });
  const head = ['domain', 'holds', 'of it used', 'programs', 'leases', 'agent'];
  return `${[`run dir   ${runDir}`, 'the back end is in another domain', '', ...columns([head, ...rows])].join('\n')}\n`;
}

const mebibytes = (count: number): string => formatBytes(Math.round(count / MIB) * MIB);
