import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** What an agent costs while nothing happens, above a Node process that does nothing. */
export interface AgentCost {
  readonly cpu_percent: number;
  /** RssAnon + RssFile above the idle process; the mapped arena (RssShmem) stands apart. */
  readonly rss_mib: number;
  readonly shmem_mib: number;
  readonly seconds: number;
  readonly sample_hz: number;
}

interface Reading {
  readonly cpuNanos: number;
  readonly residentKib: number;
  readonly shmemKib: number;
}

/** CPU time of all threads in nanoseconds (schedstat; a tick of 10 ms would be too coarse) and resident memory. */
function read(pid: number): Reading {
  let cpuNanos = 0;
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    cpuNanos += Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return { cpuNanos, residentKib: field('RssAnon') + field('RssFile'), shmemKib: field('RssShmem') };
}

/** V8 gives back what the start has used up some ten seconds after it: before that, the start is measured. */
const SETTLE_MILLIS = 11_000;

const wait = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/**
 * Measures a running agent over some seconds, beside an idle Node started for the purpose.
 * @param agentPid an agent that has been up for a few seconds and has nothing to do.
 */
export async function measureAgentCost(agentPid: number, seconds: number, sampleHz: number): Promise<AgentCost> {
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' });
  try {
    await wait(SETTLE_MILLIS);
    const before = [read(agentPid), read(idle.pid!)] as const;
    await wait(seconds * 1000);
    const after = [read(agentPid), read(idle.pid!)] as const;
    const cpu = (at: 0 | 1): number => after[at].cpuNanos - before[at].cpuNanos;
    return {
      cpu_percent: ((cpu(0) - cpu(1)) / (seconds * 1e9)) * 100,
      rss_mib: (after[0].residentKib - after[1].residentKib) / 1024,
      shmem_mib: after[0].shmemKib / 1024,
      seconds,
      sample_hz: sampleHz,
    };
  } finally {
    idle.kill();
  }
}

/** Starts the real agents of a small machine and waits until the named one reports. */
export interface RunningAgents {
  readonly domainPid: number;
  stop(): Promise<void>;
}

/** @param main path of the compiled command line. */
export async function startAgents(main: string, runDir: string): Promise<RunningAgents> {
  fs.mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const config = path.join(runDir, 'memtide.json');
  fs.writeFileSync(
    config,
    JSON.stringify({
      run_dir: path.join(runDir, 'run'),
      total_mib: 64,
      domains: [{ name: 'measured', floor_mib: 8, ceiling_mib: 48, budget_mib: 16 }],
      mqtt: { embedded: { port: 0 } },
      log: { level: 'warn' },
    }),
  );
  const children: ChildProcess[] = [];
  const start = async (args: string[]): Promise<number> => {
    const child = spawn(process.execPath, [main, 'agent', '--config', config, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout!.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`an agent ended with code ${code}`)));
    });
    child.stdout!.resume();
    return child.pid!;
  };
  await start(['--role', 'backend']);
  const domainPid = await start(['--domain', 'measured']);
  return {
    domainPid,
    async stop() {
      for (const child of children.reverse()) {
        child.removeAllListeners('exit');
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }
      fs.rmSync(runDir, { recursive: true, force: true });
    },
  };
}
