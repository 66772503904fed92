import { formatBytes, MIB } from '../units.ts';
import type { BackendStatus, DomainStatus } from './backend-status.ts';
import { columns } from './columns.ts';
import { guestTable } from './guest-text.ts';
import { socketTable } from './socket-text.ts';
import { spoolTable } from './spool-text.ts';

/** What `memtide status` tells people. Pure. @param domains an agent's answer, or why there is none. */
export function statusText(
  runDir: string,
  backend: BackendStatus,
  domains: Readonly<Record<string, DomainStatus | string>>,
): string {
  const { mode, total_bytes, pool_bytes, arena, figures } = backend;
  const facts: ReadonlyArray<readonly [string, string]> = [
    ['run dir', runDir],
    ['governs', `${formatBytes(total_bytes)} in mode ${mode}`],
    ['arena', `${formatBytes(arena.byteLength)}, ${hugeText(arena)}, ${lockText(arena)}`],
    ['pool', `${mebibytes(pool_bytes)} of no domain, offers included`],
    ['broker', brokerText(backend)],
    ...dropFacts(backend, domains),
    ['stalls', stallText(domains)],
    ['requests', requestText(figures)],
    ['donors', donorText(backend)],
    ...fastPlaneFacts(backend, domains),
  ];
  const lines = facts.map(([name, value]) => `${name.padEnd(10)}${value}`);
  return `${[...lines, '', ...domainTable(backend, domains), ...guestTable(backend), ...socketTable(domains), ...spoolTable(backend, domains)].join('\n')}\n`;
}

const hugeText = ({ huge, hugeReason }: BackendStatus['arena']): string =>
  huge ? 'huge pages' : `ordinary pages${hugeReason === undefined ? '' : ` (${hugeReason})`}`;
const lockText = ({ locked, lockReason }: BackendStatus['arena']): string =>
  locked ? 'locked in memory' : `not locked${lockReason === undefined ? '' : ` (${lockReason})`}`;

function brokerText({ broker_url, uplink }: BackendStatus): string {
  if (broker_url === undefined) return 'none';
  if (uplink === undefined || uplink.state === 'connected') return broker_url;
  return `${broker_url}, not connected${uplink.reason === undefined ? '' : `: ${uplink.reason}`}`;
}

/** What did not fit in the queues to the broker: a line only where anything was given up. */
function dropFacts(
  backend: BackendStatus,
  domains: Readonly<Record<string, DomainStatus | string>>,
): [name: string, value: string][] {
  const uplinks = [
    ['back end', backend.uplink] as const,
    ...Object.entries(domains).map(
      ([name, told]) => [name, typeof told === 'string' ? undefined : told.telemetry?.uplink] as const,
    ),
  ];
  const parts = uplinks.flatMap(([name, uplink]) => {
    const kinds = Object.entries(uplink?.dropped ?? {}).filter(([, count]) => count > 0);
    return kinds.length === 0 ? [] : [`${kinds.map(([kind, count]) => `${count} ${kind}`).join(', ')} (${name})`];
  });
  return parts.length === 0 ? [] : [['given up', `messages for the broker: ${parts.join('; ')}`]];
}

/** Only what could not be served from reserve and offers comes to the back end. */
function requestText({ requests = 0, served = 0, refused = 0 }: BackendStatus['figures']): string {
  return `${requests} for more than was at hand: ${served} served, ${refused} refused`;
}

const STALL_WORDS: Readonly<Record<string, string>> = {
  trigger: 'the kernel tells',
  polling: 'PSI is polled',
  none: 'there is no PSI here',
  off: 'not watched',
};

/** How memory stalls are sensed: `the kernel tells (cluster, infotainment)`. The reasons are in the log and in --json. */
function stallText(domains: Readonly<Record<string, DomainStatus | string>>): string {
  const byMethod = new Map<string, string[]>();
  for (const [name, told] of Object.entries(domains)) {
    if (typeof told === 'string' || told.psi === undefined) continue;
    byMethod.set(told.psi, [...(byMethod.get(told.psi) ?? []), name]);
  }
  const parts = [...byMethod].map(([method, names]) => `${STALL_WORDS[method] ?? method} (${names.join(', ')})`);
  return parts.join('; ') || 'no agent to sense them';
}

function donorText({ figures, domains }: BackendStatus): string {
  const { revocations = 0, donorMisses = 0, violations = 0 } = figures;
  const stuck = domains.filter((domain) => domain.stuck).map(({ name }) => name);
  const parts = [`${revocations} asked`, `${donorMisses} missed their deadline`, `${violations} protocol violations`];
  return `${parts.join(', ')}${stuck.length > 0 ? `; stuck now: ${stuck.join(', ')}` : ''}`;
}

type Constructs = NonNullable<BackendStatus['fast_plane']>;

/** How the fast planes are scheduled: one line for those that are alike, and what to do about what was refused. */
function fastPlaneFacts(
  backend: BackendStatus,
  domains: Readonly<Record<string, DomainStatus | string>>,
): [name: string, value: string][] {
  const planes: [string, Constructs | undefined][] = [
    ['back end', backend.fast_plane],
    ...Object.entries(domains).map(([name, told]): [string, Constructs | undefined] => [
      name,
      typeof told === 'string' ? undefined : told.fast_plane,
    ]),
  ];
  const alike = new Map<string, string[]>();
  const mends = new Set<string>();
  for (const [name, constructs] of planes) {
    if (!constructs) continue;
    const text = constructs.map(constructText).join(', ') || 'as any other thread';
    alike.set(text, [...(alike.get(text) ?? []), name]);
    for (const { mend } of constructs) if (mend !== undefined) mends.add(mend);
  }
  return [
    ...[...alike].map(([text, names]): [string, string] => ['scheduled', `${text} (${names.join(', ')})`]),
    ...[...mends].map((mend): [string, string] => ['to mend', mend]),
  ];
}

function constructText({ construct, wanted, in_force, refused }: Constructs[number]): string {
  const what =
    { nice: 'nice ', session: 'session nice ', policy: '', cpu: '', spin: 'spinning ' }[construct] ?? `${construct} `;
  return refused === undefined ? `${what}${in_force}` : `${what}${in_force}, ${wanted} refused with ${refused}`;
}

function domainTable(backend: BackendStatus, domains: Readonly<Record<string, DomainStatus | string>>): string[] {
  const head = ['domain', 'leased', 'of it waste', 'reserve', 'offered', 'private', 'sessions', 'agent'];
  const rows = backend.domains.map((domain) => {
    const { name, leased_bytes, reserve_bytes, offered_bytes, limit_bytes } = domain;
    const told = domains[name];
    const agent = typeof told === 'string' ? undefined : told;
    return [
      name,
      mebibytes(leased_bytes),
      wasteText(domain),
      mebibytes(reserve_bytes),
      mebibytes(offered_bytes),
      `${mebibytes(agent?.used_bytes)} of ${mebibytes(limit_bytes)}`,
      agent?.sessions === undefined ? '-' : String(agent.sessions),
      agentText(domain, told),
    ];
  });
  return columns([head, ...rows]);
}

function agentText(
  { connected, remote }: BackendStatus['domains'][number],
  told: DomainStatus | string | undefined,
): string {
  if (!connected) return 'not connected';
  if (remote) return 'over MQTT';
  return typeof told === 'string' ? firstLine(told) : (told?.enforced_by ?? 'connected');
}

/** What leases hold beyond what was asked for, and what is free in the chunks that they share. */
const wasteText = ({ rounding_bytes, split_free_bytes }: BackendStatus['domains'][number]): string =>
  rounding_bytes === undefined || split_free_bytes === undefined ? '-' : formatBytes(rounding_bytes + split_free_bytes);

const firstLine = (text: string): string => text.split('\n', 1)[0]!;
const mebibytes = (count: number | undefined): string =>
  count === undefined ? '-' : formatBytes(Math.round(count / MIB) * MIB);
