/** Agents of one machine in this process, with real threads, sockets and memory, in a run directory of their own. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { BackendAgent } from '../../src/agent/backend-agent.ts';
import { DomainAgent } from '../../src/agent/domain-agent.ts';
import { checkConfig } from '../../src/config/load.ts';
import type { Config, ConfigInput } from '../../src/config/schema.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend, askDomain } from '../../src/demo/backend-status.ts';
import { type Connection, connect } from '../../src/index.ts';

export class LocalMachine {
  readonly runDir: string;
  readonly config: Config;
  readonly backend: BackendAgent;
  readonly #domains: DomainAgent[] = [];
  readonly #connections: Connection[] = [];

  constructor(input: ConfigInput) {
    const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
    this.runDir = fs.mkdtempSync(path.join(base, 'memtide-test-'));
    this.config = checkConfig({ ...input, run_dir: this.runDir });
    this.backend = new BackendAgent(this.#options());
  }

  /** Starts the back end, and the agents of all domains unless told otherwise. */
  async start(domains: readonly string[] = this.config.domains.map(({ name }) => name)): Promise<void> {
    await this.backend.start();
    for (const name of domains) await this.startDomain(name);
  }

  /** @param change of what this one agent is configured with. */
  async startDomain(name: string, change: Partial<Config> = {}): Promise<void> {
    const domain = this.config.domains.find((each) => each.name === name)!;
    const { config, ...rest } = this.#options();
    const agent = new DomainAgent({ ...rest, config: { ...config, ...change }, domain });
    this.#domains.push(agent);
    await agent.start();
  }

  async application(domain: string): Promise<Connection> {
    const connection = await connect({ domain, runDir: this.runDir });
    this.#connections.push(connection);
    return connection;
  }

  status() {
    return askBackend(new RunFiles(this.runDir).backendSocket);
  }

  domainStatus(name: string) {
    return askDomain(new RunFiles(this.runDir).domain(name).socket);
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) await connection.close();
    for (const agent of this.#domains) await agent.stop();
    await this.backend.stop();
    fs.rmSync(this.runDir, { recursive: true, force: true });
  }

  #options() {
    return { config: this.config, runDir: this.runDir, log: pino({ level: 'silent' }), stopped: () => {} };
  }
}
