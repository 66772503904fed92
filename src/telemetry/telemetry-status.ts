import type { BurstLogStatus } from './burst-log.ts';
import type { FeedStatus } from './spool/contracts.ts';
import type { UplinkStatus } from './uplink.ts';

/** How the telemetry of an agent is. */
export interface TelemetryStatus {
  /** Absent: no broker is configured, or the embedded one could not start. */
  readonly uplink?: UplinkStatus;
  readonly log?: BurstLogStatus;
  readonly spool?: FeedStatus;
  /** Where tools connect. */
  readonly brokerUrl?: string;
  /** Where Prometheus scrapes. */
  readonly metricsUrl?: string;
}
