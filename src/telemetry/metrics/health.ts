/**
 * The health of an agent as metrics, and no more: a scrape that fails takes its readings with it, so what a drive is about goes
 * through the spool. Pure but for what is asked of the process.
 */
import type { TelemetryStatus } from '../telemetry-status.ts';
import type { Labels, Metric } from './exposition.ts';

/** What an agent tells of itself beside its telemetry: as in `memtide status --json`. What it does not know is absent. */
export interface AgentHealth {
  readonly pool_bytes?: number | undefined;
  readonly limit_bytes?: number | undefined;
  readonly used_bytes?: number | undefined;
  readonly domains?: ReadonlyArray<{
    readonly name: string;
    readonly connected: boolean;
    readonly stuck?: boolean | undefined;
    readonly violations?: number | undefined;
  }>;
  /** Of the fast plane. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface ProcessHealth {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Unix time. */
  readonly startedSeconds: number;
}

export interface HealthSources {
  readonly domain: string;
  readonly versions: Labels;
  readonly process: ProcessHealth;
  readonly telemetry: TelemetryStatus;
  readonly agent: AgentHealth;
  /** Absent: the kernel does not say. */
  readonly clockIsSynced?: boolean | undefined;
}

/** What of the fast plane's figures counts, in the words of the conventions. */
const FIGURES: ReadonlyArray<readonly [figure: string, name: string, help: string]> = [
  ['requests', 'memtide_requests_total', 'Requests for more memory than was at hand.'],
  ['served', 'memtide_requests_served_total', 'Of these, how many were served.'],
  ['refused', 'memtide_requests_refused_total', 'Of these, how many were refused.'],
  ['revocations', 'memtide_revocations_total', 'Times that a donor was asked for memory.'],
  ['donorMisses', 'memtide_donor_deadlines_missed_total', 'Times that a donor did not let go in time.'],
  ['violations', 'memtide_protocol_violations_total', 'Times that a peer wrote what the protocol does not allow.'],
];

export function healthMetrics({ domain, versions, process, telemetry, agent, clockIsSynced }: HealthSources): Metric[] {
  const { uplink, spool, log } = telemetry;
  const { figures = {}, domains = [] } = agent;
  return [
    gauge('memtide_build_info', 'Who answers. Always 1.', 1, { domain, ...versions }),
    counter('process_cpu_seconds_total', 'User and system CPU time of the agent.', process.cpuSeconds),
    gauge('process_resident_memory_bytes', 'Resident memory of the agent.', process.residentBytes),
    gauge('process_start_time_seconds', 'When the agent started, Unix time.', process.startedSeconds),
    gauge('memtide_clock_synchronized', 'Whether the wall clock is synchronised.', asNumber(clockIsSynced)),

    gauge(
      'memtide_uplink_connected',
      'Whether the broker is connected.',
      asNumber(uplink && uplink.state === 'connected'),
    ),
    counter('memtide_uplink_connections_total', 'Connections made to the broker.', uplink?.connections),
    gauge('memtide_uplink_queued_messages', 'Messages that wait for the broker in memory.', uplink?.queued),
    gauge('memtide_uplink_in_flight_messages', 'Messages sent and not yet acknowledged.', uplink?.inFlight),
    counters(
      'memtide_uplink_dropped_messages_total',
      'Messages given up because their queue was full.',
      Object.entries(uplink?.dropped ?? {}).map(([kind, value]) => ({ labels: { kind }, value })),
    ),

    gauge(
      'memtide_spool_healthy',
      'Whether the disk of the spool works.',
      asNumber(spool && spool.problem === undefined),
    ),
    gauge('memtide_spool_bytes', 'What the spool takes of the disk.', spool?.bytes),
    gauge('memtide_spool_capacity_bytes', 'The most that it may take.', spool?.cap_bytes),
    gauge('memtide_spool_unsent_messages', 'Messages that no broker has acknowledged.', spool?.unsent),
    gauge('memtide_spool_unconfirmed_messages', 'Messages that no sink has confirmed.', spool?.unconfirmed),
    counter(
      'memtide_spool_lost_messages_total',
      'Messages evicted or damaged since the spool was made.',
      spool?.dropped,
    ),
    counter('memtide_spool_gaps_total', 'Gap records that tell of them.', spool?.gaps),
    counter('memtide_spool_refused_messages_total', 'Messages that the spool could not take.', spool?.refused),
    counter('memtide_drive_log_synced_bytes_total', 'Bytes of the drive log that are on disk.', log?.syncedBytes),
    counter('memtide_drive_log_dropped_lines_total', 'Lines that the drive log could not keep.', log?.droppedLines),

    gauge('memtide_pool_bytes', 'Free memory of no domain.', agent.pool_bytes),
    gauge('memtide_domain_limit_bytes', 'Private budget of the domain.', agent.limit_bytes),
    gauge('memtide_domain_used_bytes', 'What its programs use of it.', agent.used_bytes),
    ...FIGURES.map(([figure, name, help]) => counter(name, help, figures[figure])),
    gauges(
      'memtide_domain_connected',
      'Whether the agent of a domain is connected.',
      domains,
      ({ connected }) => connected,
    ),
    gauges(
      'memtide_domain_stuck',
      'Whether a domain does not let go of memory when asked.',
      domains,
      ({ stuck }) => stuck,
    ),
    counters(
      'memtide_domain_violations_total',
      'Times that a domain wrote what the protocol does not allow.',
      domains.flatMap(({ name, violations }) =>
        violations === undefined ? [] : [{ labels: { domain: name }, value: violations }],
      ),
    ),
  ];
}

const asNumber = (value: boolean | undefined): number | undefined => (value === undefined ? undefined : Number(value));

function metric(kind: Metric['kind'], name: string, help: string, value: number | undefined, labels?: Labels): Metric {
  return { name, kind, help, values: value === undefined ? [] : [labels ? { labels, value } : { value }] };
}
const gauge = (name: string, help: string, value: number | undefined, labels?: Labels): Metric =>
  metric('gauge', name, help, value, labels);
const counter = (name: string, help: string, value: number | undefined): Metric => metric('counter', name, help, value);
const counters = (name: string, help: string, values: Metric['values']): Metric => ({
  name,
  kind: 'counter',
  help,
  values,
});

type DomainHealth = NonNullable<AgentHealth['domains']>[number];
const gauges = (
  name: string,
  help: string,
  domains: readonly DomainHealth[],
  of: (domain: DomainHealth) => boolean | undefined,
): Metric => ({
  name,
  kind: 'gauge',
  help,
  values: domains.flatMap((domain) => {
    const value = asNumber(of(domain));
    return value === undefined ? [] : [{ labels: { domain: domain.name }, value }];
  }),
});
