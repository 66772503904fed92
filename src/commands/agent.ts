import fs from 'node:fs';
import type { BackendAgent } from '../agent/backend-agent.ts';
import type { DomainAgent } from '../agent/domain-agent.ts';
import { keepSmall } from '../agent/keep-small.ts';
import { openLog } from '../agent/log.ts';
import type { RemoteAgent } from '../agent/remote-agent.ts';
import type { XenBackendAgent } from '../agent/xen-backend-agent.ts';
import { loadConfigApart } from '../config/load-apart.ts';
import type { Config } from '../config/schema.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface AgentOptions {
  readonly config?: string;
  readonly role: 'backend' | 'domain';
  readonly domain?: string;
  readonly runDir?: string;
}

/** `memtide agent`: runs the back end, or the agent of one domain, until it is told to end. */
export async function agentCommand(options: AgentOptions, io: CommandIo): Promise<ExitCode> {
  const config = await loadConfigApart(options.config);
  const runDir = chooseRunDir(options.runDir ?? config.run_dir, io);
  const name = options.role === 'backend' ? 'backend' : domainOf(config, options.domain).name;
  const log = openLog(config.log.level, name);
  let stop: (code: ExitCode) => void = () => {};
  const ended = new Promise<ExitCode>((resolve) => {
    stop = resolve;
  });
  const common = { config, runDir, log, stopped: () => stop(EXIT.unavailable) };
  // Each loads its own half of memtide only: on a small board modules that nobody calls are memory and time to start.
  const agent = options.role === 'backend' ? await backendAgent(common) : await domainAgent(common, options.domain);
  io.signal.addEventListener('abort', () => stop(EXIT.ok));
  try {
    await agent.start();
    keepSmall({ isDivided: options.role === 'domain' && domainOf(config, options.domain).guest !== undefined });
    io.stdout.write(`memtide ${name}: ready in ${runDir}\n`);
    if (io.signal.aborted) stop(EXIT.ok);
    return await ended;
  } finally {
    await agent.stop();
  }
}

type Common = ConstructorParameters<typeof BackendAgent>[0];

async function backendAgent(common: Common): Promise<BackendAgent | XenBackendAgent> {
  return common.config.xen.arena_mib > 0
    ? new (await import('../agent/xen-backend-agent.ts')).XenBackendAgent(common)
    : new (await import('../agent/backend-agent.ts')).BackendAgent(common);
}

/** A domain without a back end in its run directory shares no memory with one, and reaches it over the broker. */
async function domainAgent(common: Common, name: string | undefined): Promise<DomainAgent | RemoteAgent> {
  const { config, runDir } = common;
  const domain = domainOf(config, name);
  const alone = config.mqtt.url !== undefined && !fs.existsSync(new RunFiles(runDir).backendSocket);
  const remote = config.coordination === 'mqtt' || (config.coordination === 'auto' && alone);
  return remote
    ? new (await import('../agent/remote-agent.ts')).RemoteAgent({ ...common, domain })
    : new (await import('../agent/domain-agent.ts')).DomainAgent({ ...common, domain });
}

function domainOf(config: Config, name: string | undefined): Config['domains'][number] {
  const known = config.domains.map((domain) => domain.name).join(', ');
  const domain = config.domains.find((each) => each.name === name);
  if (domain) return domain;
  throw new MemtideError({
    operation: 'start the agent of a domain',
    object: name ?? 'no --domain given',
    expected: `one of ${known}`,
    remedy: 'name one of these, or add it to "domains" of the configuration',
    exitCode: EXIT.usage,
  });
}
