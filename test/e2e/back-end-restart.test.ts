/** The back end is killed and started again under live agents and applications: real processes, real memory. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '../../src/index.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';

const folder = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-restart-'));
const runDir = path.join(folder, 'run');
const configFile = path.join(folder, 'memtide.json');
const running: ChildProcess[] = [];

function writeConfig(change: object = {}): void {
  const domains = [
    { name: 'cluster', floor_mib: 16, ceiling_mib: 128, budget_mib: 32 },
    { name: 'infotainment', floor_mib: 16, ceiling_mib: 160, budget_mib: 32 },
  ];
  const rest = { mqtt: { embedded: { port: 0 } }, log: { level: 'warn' } };
  fs.writeFileSync(configFile, JSON.stringify({ run_dir: runDir, total_mib: 160, domains, ...rest, ...change }));
}

/** Resolves when the agent serves; rejects with what it complained of when it ends before. */
async function startAgent(...args: string[]): Promise<ChildProcess> {
  const agent = spawn(process.execPath, [MAIN, 'agent', '--config', configFile, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(agent);
  const complaints = text(agent.stderr!);
  const ended = once(agent, 'exit').then(async ([code]) => {
    throw new Error(`agent ${args.join(' ')} ended with ${code}: ${await complaints}`);
  });
  ended.catch(() => {});
  await Promise.race([once(agent.stdout!, 'data'), ended]);
  return agent;
}

async function end(agent: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return;
  const ended = once(agent, 'exit');
  agent.kill(signal);
  await ended;
}

interface Status {
  readonly arena: { readonly takenUp: boolean };
  readonly domains: readonly {
    readonly name: string;
    readonly connected: boolean;
    readonly leased_bytes: number;
    readonly reserve_bytes: number;
    readonly offered_bytes: number;
  }[];
}

async function statusOf(): Promise<Status> {
  const child = spawn(process.execPath, [MAIN, 'status', '--json', '--run-dir', runDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const { backend } = JSON.parse(await text(child.stdout!)) as { backend: Status };
  return backend;
}

/** Asks until it is so: what is waited for has no event that a test could see. */
async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await wait(50);
  }
  throw new Error(`waited in vain for ${what}`);
}

let backend: ChildProcess;
let infotainment: ChildProcess;

before(async () => {
  writeConfig();
  backend = await startAgent('--role', 'backend');
  await startAgent('--domain', 'cluster');
  infotainment = await startAgent('--domain', 'infotainment');
});

after(async () => {
  for (const agent of running.reverse()) await end(agent, 'SIGTERM');
  fs.rmSync(folder, { recursive: true, force: true });
});

test('leases outlive a back end that is killed, and its successor serves everybody again', async () => {
  const memory = await connect({ domain: 'infotainment', runDir });
  const lease = await memory.borrow(24 * MIB, { deadline: 2000 });
  lease.fill(0x5a);
  await end(backend, 'SIGKILL');
  assert.ok(lease.view.every((byte) => byte === 0x5a));
  backend = await startAgent('--role', 'backend');
  const status = await until(async () => {
    const now = await statusOf();
    return now.domains.every(({ connected }) => connected) ? now : undefined;
  }, 'both agents to join again');
  assert.equal(status.arena.takenUp, true);
  assert.ok(lease.view.every((byte) => byte === 0x5a));
  const more = await memory.borrow(40 * MIB, { deadline: 2000 });
  assert.ok(
    more.view.every((byte) => byte === 0),
    'what the dead back end had is scrubbed before it is handed on',
  );
  const other = await connect({ domain: 'cluster', runDir });
  const third = await other.borrow(16 * MIB, { deadline: 2000 });
  third.fill(0x11);
  assert.ok(lease.view.every((byte) => byte === 0x5a));
  for (const each of [lease, more, third]) each.release();
  await memory.close();
  await other.close();
});

test('a back end with another configuration is refused while the arena is in use', async () => {
  const memory = await connect({ domain: 'infotainment', runDir });
  const lease = await memory.borrow(4 * MIB, { deadline: 2000 });
  await end(backend, 'SIGKILL');
  writeConfig({ total_mib: 256 });
  await assert.rejects(startAgent('--role', 'backend'), /infotainment.*first/s);
  writeConfig();
  backend = await startAgent('--role', 'backend');
  lease.release();
  await memory.close();
});

test('what a dead domain held comes back to the pool, and what a living application of it leased stays', async () => {
  const memory = await connect({ domain: 'infotainment', runDir });
  const lease = await until(async () => memory.tryBorrow(6 * MIB), 'memory to be offered');
  lease.fill(0x77);
  await end(infotainment, 'SIGKILL');
  const held = (bytes: number) => async (): Promise<true | undefined> => {
    const { domains } = await statusOf();
    const { leased_bytes, reserve_bytes, offered_bytes } = domains.find(({ name }) => name === 'infotainment')!;
    return leased_bytes === bytes && reserve_bytes + offered_bytes === 0 ? true : undefined;
  };
  await until(held(6 * MIB), 'all but the lease to have gone back');
  assert.ok(lease.view.every((byte) => byte === 0x77));
  await memory.close();
  await until(held(0), 'everything to have gone back');
  infotainment = await startAgent('--domain', 'infotainment');
});

test('a back end that is stopped while agents run leaves them the arena; its successor takes it up', async () => {
  const memory = await connect({ domain: 'infotainment', runDir });
  const lease = await memory.borrow(4 * MIB, { deadline: 2000 });
  lease.fill(0x33);
  await end(backend, 'SIGTERM');
  backend = await startAgent('--role', 'backend');
  assert.equal((await statusOf()).arena.takenUp, true);
  assert.ok(lease.view.every((byte) => byte === 0x33));
  lease.release();
  await memory.close();
});
