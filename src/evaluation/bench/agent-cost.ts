import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { MemtideError } from '../../errors.ts';
import { processCpuMicros } from './cpu-time.ts';
import type { AgentCost } from './result.ts';

/** V8 gives back what the start has used up some ten seconds after it: before that, the start is measured. */
const SETTLE_MILLIS = 11_000;
/** The sampling rate of the configuration below: what the agent does while nothing happens. */
const SAMPLE_HZ = 10;

interface Reading {
  readonly cpuMicros: number;
  readonly residentKib: number;
  readonly shmemKib: number;
}

/** The real agents of a small machine, with nothing to do, and a Node process that does nothing beside them. */
export class IdleAgents {
  readonly #main: string;
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  #agent: ChildProcess | undefined;
  #idle: ChildProcess | undefined;
  #settledAt = 0;

  /** @param main path of the compiled command line. @param directory for the agents, on a tmpfs; made here. */
  constructor(main: string, directory: string) {
    this.#main = main;
    this.#directory = directory;
  }

  /** Resolves when the agents serve. */
  async start(): Promise<void> {
    fs.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const config = path.join(this.#directory, 'memtide.json');
    fs.writeFileSync(
      config,
      JSON.stringify({
        run_dir: path.join(this.#directory, 'run'),
        total_mib: 64,
        domains: [{ name: 'measured', floor_mib: 8, ceiling_mib: 48, budget_mib: 16 }],
        pressure: { sample_hz: SAMPLE_HZ },
        mqtt: { embedded: { port: 0 } },
        log: { level: 'error' },
      }),
    );
    await this.#startAgent(config, ['--role', 'backend']);
    this.#agent = await this.#startAgent(config, ['--domain', 'measured']);
    this.#idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' });
    this.#children.push(this.#idle);
    this.#settledAt = performance.now() + SETTLE_MILLIS;
  }

  /** Waits until the start is over, then looks for `seconds`. */
  async measure(seconds: number, signal: AbortSignal): Promise<AgentCost> {
    const agent = this.#agent!.pid!;
    const idle = this.#idle!.pid!;
    await wait(Math.max(0, this.#settledAt - performance.now()), undefined, { signal });
    const before = [read(agent), read(idle)] as const;
    await wait(seconds * 1000, undefined, { signal });
    const after = [read(agent), read(idle)] as const;
    const cpu = (at: 0 | 1): number => after[at].cpuMicros - before[at].cpuMicros;
    return {
      cpu_percent: ((cpu(0) - cpu(1)) / (seconds * 1e6)) * 100,
      rss_mib: (after[0].residentKib - after[1].residentKib) / 1024,
      shmem_mib: after[0].shmemKib / 1024,
      seconds,
      sample_hz: SAMPLE_HZ,
    };
  }

  async stop(): Promise<void> {
    for (const child of this.#children.splice(0).reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Resolves with the first line that the agent writes: it writes it when it serves. */
  async #startAgent(config: string, args: readonly string[]): Promise<ChildProcess> {
    const child = spawn(process.execPath, [this.#main, 'agent', '--config', config, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once('data', () => resolve());
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(
          new MemtideError({
            operation: `start memtide agent ${args.join(' ')}`,
            actual: `it ended with code ${code}`,
          }),
        ),
      );
    });
    child.stdout!.resume();
    return child;
  }
}

function read(pid: number): Reading {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return {
    cpuMicros: processCpuMicros(pid),
    residentKib: kib('RssAnon') + kib('RssFile'),
    shmemKib: kib('RssShmem'),
  };
}
