/** The agents of the board: dom0's and the guests', as they are configured for it, started and ended by a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { askBackend, type BackendStatus } from '../../src/demo/backend-status.ts';
import { GUESTS, type Guest, inDom0, inGuest } from './guests.ts';

const FILES = '/opt/memtide/boards/qemu/virt-arm64';
const LOGS = fs.existsSync('/run/share/log') ? '/run/share/log' : '/tmp';
const SOCKET = '/run/memtide/backend.sock';
/** Where xenstored listens. */
export const XENSTORED = '/run/xenstored/socket';
/** The machine that emulates may be busy. */
const DEADLINE_MILLIS = 400_000;

/** Of the back end's status, what it says of Xen's guests. */
export interface GuestFigures {
  readonly name: string;
  readonly domid?: number;
  readonly held_bytes: number;
  readonly entitlement_bytes: number;
  readonly stuck: boolean;
  readonly overstated: number;
  readonly asked_to_shrink: number;
  readonly let_grow: number;
}
export interface XenFigures {
  readonly asked_by: string;
  readonly low_memory_signals?: number;
  readonly free_bytes: number;
  readonly pool_bytes: number;
  readonly guests: readonly GuestFigures[];
}

export class BoardAgents {
  #backend!: ChildProcess;

  private constructor() {}

  /** Those that the files of a suite share, until all of it has ended: starting them takes a minute. */
  static shared(): Promise<BoardAgents> {
    shared ??= BoardAgents.start();
    return shared;
  }

  static async start(): Promise<BoardAgents> {
    const agents = new BoardAgents();
    await agents.startBackend();
    for (const guest of GUESTS) await agents.startGuest(guest);
    for (const { name } of GUESTS) await agents.joined(name);
    return agents;
  }

  /** @param xenstore a socket that the agent finds in the place of xenstored's. */
  async startBackend(xenstore?: string): Promise<void> {
    const log = fs.openSync(`${LOGS}/test-agent-dom0.log`, 'a');
    const agent = ['memtide-agent', '--role', 'backend', '--config', `${FILES}/dom0.json`];
    const elsewhere = `mount --bind ${xenstore} ${XENSTORED} && exec "$@"`;
    const [program, ...args] = (
      xenstore === undefined ? agent : ['unshare', '--mount', 'sh', '-c', elsewhere, 'sh', ...agent]
    ) as [string, ...string[]];
    this.#backend = spawn(program, args, { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    await until('the back end answers', async () => (await this.status().catch(() => undefined)) !== undefined);
  }

  async startGuest(guest: Guest): Promise<void> {
    await inGuest(
      guest,
      `setsid memtide-agent --domain ${guest.name} --config ${FILES}/guest.json >/dev/hvc0 2>&1 </dev/null &
       echo $! >/run/memtide-agent.pid`,
    );
  }

  joined(name: string): Promise<void> {
    return until(`the agent of ${name} has joined`, () => this.isConnected(name));
  }

  async isConnected(name: string): Promise<boolean> {
    return (await this.status()).domains.some((domain) => domain.name === name && domain.connected);
  }

  /** At once, with no chance to say anything. */
  async killBackend(): Promise<void> {
    await this.#endBackend('SIGKILL');
  }

  async killGuest(guest: Guest): Promise<void> {
    await inGuest(guest, 'kill -9 $(cat /run/memtide-agent.pid)');
  }

  async #endBackend(signal: NodeJS.Signals): Promise<void> {
    const gone = once(this.#backend, 'exit');
    this.#backend.kill(signal);
    await gone;
  }

  status(): Promise<BackendStatus> {
    return askBackend(SOCKET);
  }

  async xen(): Promise<XenFigures> {
    return ((await this.status()) as unknown as { xen: XenFigures }).xen;
  }

  async guest(name: string): Promise<GuestFigures> {
    return (await this.xen()).guests.find((guest) => guest.name === name)!;
  }

  /** A command over the broker, and what came of it. */
  async command(verb: string, args: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const topic = (kind: string): string => `memtide/board/backend/${kind}/${verb}`;
    const txn = `test-${Date.now()}`;
    const host = ['-h', '10.17.0.1', '-V', 'mqttv311', '-q', '1'];
    const answered = inDom0('mosquitto_sub', ...host, '-t', topic('rsp'), '-C', '1', '-W', '120');
    await sleep(2000); // it has no way to say that it listens
    await inDom0('mosquitto_pub', ...host, '-t', topic('cmd'), '-m', JSON.stringify({ txn, ...args }));
    return JSON.parse(await answered) as Record<string, unknown>;
  }

  /** Guests hold all of their memory again afterwards: those that come later count on it. */
  async stop(): Promise<void> {
    for (const guest of GUESTS) await inGuest(guest, 'kill $(cat /run/memtide-agent.pid); rm /run/memtide-agent.pid');
    await this.#endBackend('SIGTERM');
    for (const guest of GUESTS) await restore(guest);
  }
}

let shared: Promise<BoardAgents> | undefined;
after(async () => {
  if (shared) await (await shared).stop();
});

async function restore(guest: Guest): Promise<void> {
  await inDom0('xl', 'mem-max', guest.name, '256');
  await inGuest(
    guest,
    `cd /sys/devices/system/xen_memory/xen_memory0
     echo 262140 >target_kb; sleep 0.2; echo 262144 >target_kb
     for i in $(seq 300); do [ $(cat info/current_kb) -ge 262144 ] && exit 0; sleep 0.2; done
     exit 1`,
  );
}

/** Waits for a condition. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + DEADLINE_MILLIS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MILLIS / 1000} s: ${what}`);
    await sleep(500);
  }
}
