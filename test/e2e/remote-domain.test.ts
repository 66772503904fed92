/** A domain of another kernel, as far as one machine can have it: an agent in a run directory of its own, and only a broker between. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend, askDomain } from '../../src/demo/backend-status.ts';
import { connect } from '../../src/index.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';
import { freePort, Mosquitto, mosquitto } from '../contract/brokers.ts';

const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
const folder = fs.mkdtempSync(path.join(base, 'memtide-remote-'));
const here = new RunFiles(path.join(folder, 'here'));
const there = new RunFiles(path.join(folder, 'there'));
const config = path.join(folder, 'memtide.json');
const agents = new Map<string, ChildProcess>();
const options = { skip: mosquitto ? false : 'mosquitto is neither on PATH nor in /usr/sbin', timeout: 180_000 };
let broker: Mosquitto;
let port: number;

const memtide = (args: string[]): ChildProcess =>
  spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });

async function start(name: string, runDir: string): Promise<void> {
  const role = name === 'backend' ? ['--role', 'backend'] : ['--domain', name];
  const child = memtide(['agent', '--config', config, '--run-dir', runDir, ...role]);
  agents.set(name, child);
  const complaints = text(child.stderr!);
  const ended = once(child, 'exit').then(async ([code]) => {
    throw new Error(`agent ${name} ended with ${code}: ${await complaints}`);
  });
  ended.catch(() => {});
  const [line] = await Promise.race([once(child.stdout!, 'data'), ended]);
  assert.match(String(line), /ready/);
}

async function end(name: string, signal: NodeJS.Signals): Promise<void> {
  const child = agents.get(name)!;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

async function until(is: () => Promise<boolean>): Promise<void> {
  while (!(await is().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 50));
}

const limitThere = async (): Promise<number> => (await askDomain(there.domain('guest').socket)).limit_bytes!;
const counted = async () => (await askBackend(here.backendSocket)).domains.find(({ name }) => name === 'guest')!;

before(async () => {
  if (!mosquitto) return;
  broker = new Mosquitto(mosquitto);
  port = await freePort();
  await broker.start(port);
  fs.writeFileSync(
    config,
    JSON.stringify({
      total_mib: 320,
      domains: [
        { name: 'cluster', floor_mib: 16, ceiling_mib: 160, budget_mib: 64 },
        { name: 'guest', floor_mib: 16, ceiling_mib: 256, budget_mib: 48 },
      ],
      mqtt: { url: `mqtt://127.0.0.1:${port}` },
      log: { level: 'warn' },
    }),
  );
  await start('backend', here.directory);
  await start('cluster', here.directory);
  await start('guest', there.directory);
});

after(async () => {
  for (const name of [...agents.keys()].reverse()) await end(name, 'SIGTERM');
  await broker?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

test('a domain that shares no memory joins over the broker, and has nothing to lend', options, async () => {
  await until(async () => (await counted()).connected);
  assert.equal((await counted()).offered_bytes, 0);
  await assert.rejects(connect({ socket: there.domain('guest').socket }), /shares no memory/);
});

test('status says of it that it is reached over MQTT; where it is, status tells of it alone', options, async () => {
  await until(async () => (await counted()).connected);
  const status = (runDir: string): Promise<string> => text(memtide(['status', '--run-dir', runDir]).stdout!);
  assert.match(await status(here.directory), /^guest .* over MQTT$/m);
  assert.match(await status(there.directory), /the back end is in another domain\n\ndomain .*\nguest +\d+ MiB /);
});

test('its budget follows its programs, and survives the death of the broker and of the back end', options, async () => {
  const before = await limitThere();
  const eater = memtide([
    ...['run', '--run-dir', there.directory, '--domain', 'guest', '--', process.execPath],
    ...['-e', 'globalThis.held = Buffer.alloc(40 << 20, 1); setInterval(() => {}, 1000)'],
  ]);
  try {
    await until(async () => (await limitThere()) > before + 8 * MIB);
    await broker.stop();
    await broker.start(port);
    await until(async () => (await counted()).connected);
    const grown = await limitThere();
    await end('backend', 'SIGKILL');
    await start('backend', here.directory);
    await until(async () => (await counted()).connected);
    // What it holds is what is counted, by a back end that has never told it anything.
    await until(async () => (await counted()).limit_bytes === (await limitThere()));
    assert.ok((await limitThere()) >= grown - 64 * MIB && (await counted()).limit_bytes! >= 48 * MIB);
  } finally {
    eater.kill('SIGTERM');
    await once(eater, 'exit');
  }
});
