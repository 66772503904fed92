/** `/metrics` of one agent: its health, asked for at each scrape. */
import type { SyncState } from '../clock-sync.ts';
import type { TelemetryStatus } from '../telemetry-status.ts';
import { exposition, type Labels } from './exposition.ts';
import { type AgentHealth, healthMetrics } from './health.ts';
import { MetricsServer } from './server.ts';

export interface MetricsOptions {
  readonly host: string;
  readonly port: number;
  readonly domain: string;
  readonly versions: Labels;
  readonly telemetry: () => TelemetryStatus;
  readonly agent: () => AgentHealth;
  readonly syncState: () => SyncState;
}

/** Not yet listening. */
export function openMetrics({ host, port, domain, versions, ...sources }: MetricsOptions): MetricsServer {
  const startedSeconds = Date.now() / 1000 - process.uptime();
  return new MetricsServer({
    host,
    port,
    text: () => {
      const { user, system } = process.cpuUsage();
      const sync = sources.syncState();
      const health = healthMetrics({
        domain,
        versions,
        process: { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss(), startedSeconds },
        telemetry: sources.telemetry(),
        agent: sources.agent(),
        clockIsSynced: sync.known ? sync.synced : undefined,
      });
      return exposition(health);
    },
  });
}
