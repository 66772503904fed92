import Table from 'cli-table3';
import { loadConfig } from '../config/load.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { askBackend, askDomain, type BackendStatus, type DomainStatus } from '../demo/backend-status.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import { formatBytes } from '../units.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface StatusOptions {
  readonly runDir?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** `memtide status`: what the agents of this machine say of themselves. */
export async function statusCommand(options: StatusOptions, io: CommandIo): Promise<ExitCode> {
  const configured = options.config === undefined ? undefined : loadConfig(options.config).run_dir;
  const runDir = chooseRunDir(options.runDir ?? configured, io);
  const files = new RunFiles(runDir);
  const backend = await askBackend(files.backendSocket).catch((cause) => {
    throw new MemtideError({
      operation: 'show the status',
      object: runDir,
      expected: 'a running back end',
      actual: 'none answers',
      remedy: 'start one (memtide agent --role backend), or name its run directory with --run-dir',
      cause,
      exitCode: EXIT.unavailable,
    });
  });
  const domains = await Promise.all(
    backend.domains.map(({ name, connected }) =>
      connected ? askDomain(files.domain(name).socket).catch(() => undefined) : undefined,
    ),
  );
  io.stdout.write(
    options.json
      ? `${JSON.stringify({ run_dir: runDir, ...backend, agents: domains.filter((one) => one !== undefined) }, null, 2)}\n`
      : `${render(runDir, backend, domains)}\n`,
  );
  return EXIT.ok;
}

function render(runDir: string, backend: BackendStatus, agents: ReadonlyArray<DomainStatus | undefined>): string {
  const { arena, mode, total_bytes, pool_bytes, broker_url, figures } = backend;
  const table = new Table({
    style: { head: [], border: [] },
    head: ['domain', 'agent', 'leased', 'reserve', 'offered', 'budget', 'used', 'programs', 'sessions'],
  });
  for (const [index, domain] of backend.domains.entries()) {
    const agent = agents[index];
    table.push([
      domain.name,
      domain.connected ? (domain.stuck ? 'stuck' : 'running') : 'not running',
      formatBytes(domain.leased_bytes),
      formatBytes(domain.reserve_bytes),
      formatBytes(domain.offered_bytes),
      domain.limit_bytes === undefined ? '–' : formatBytes(Math.round(domain.limit_bytes)),
      agent?.used_bytes === undefined ? '–' : formatBytes(agent.used_bytes),
      String(agent?.programs ?? '–'),
      String(agent?.sessions ?? '–'),
    ]);
  }
  const pages = arena.huge ? 'huge pages' : `base pages (${arena.hugeReason ?? 'as configured'})`;
  const locked = arena.locked ? 'locked in memory' : `not locked (${arena.lockReason ?? 'unknown'})`;
  return [
    `${formatBytes(total_bytes)} in mode ${mode}; pool ${formatBytes(pool_bytes)}`,
    `arena ${formatBytes(arena.byteLength)} at the start, ${pages}, ${locked}`,
    table.toString(),
    `requests to the back end ${figures.requests ?? 0}, refused ${figures.refused ?? 0}; donors asked ${figures.revocations ?? 0}, too late ${figures.donorMisses ?? 0}`,
    `broker ${broker_url ?? 'none'}; run directory ${runDir}`,
  ].join('\n');
}
