/**
 * The example clients in C and Python (src/client/examples), as a stranger would use them, against real agents: what they
 * borrow holds what they wrote, and comes back however they end.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { RunFiles } from '../../src/coordination/run-files.ts';
import type { SessionWelcome } from '../../src/coordination/session-protocol.ts';
import { connect } from '../../src/index.ts';
import { packageRoot } from '../../src/package-root.ts';
import type { Extent } from '../../src/platforms/contracts.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';
import { LineClient, type Message } from '../contract/line-client.ts';

const EXAMPLES = path.join(packageRoot(), 'src', 'client', 'examples');
const folder = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-clients-'));
const runDir = path.join(folder, 'run');
const config = path.join(folder, 'memtide.json');
const socket = new RunFiles(runDir).domain('cluster').socket;
const children: ChildProcess[] = [];
let agent: ChildProcess;

async function startAgent(...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, 'agent', '--config', config, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const complaints = text(child.stderr!);
  const ended = once(child, 'exit').then(async ([code]) => {
    throw new Error(`agent ${args.join(' ')} ended with ${code}: ${await complaints}`);
  });
  ended.catch(() => {}); // at the end of the test they all end
  assert.match(String((await Promise.race([once(child.stdout!, 'data'), ended]))[0]), /ready/);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

before(async () => {
  const domain = { floor_mib: 16, budget_mib: 32, ceiling_mib: 160 };
  fs.writeFileSync(
    config,
    JSON.stringify({
      run_dir: runDir,
      log_dir: path.join(folder, 'log'),
      total_mib: 192,
      domains: [
        { name: 'cluster', ...domain },
        { name: 'infotainment', ...domain },
      ],
      mqtt: { embedded: { port: 0 } },
      log: { level: 'warn' },
    }),
  );
  await startAgent('--role', 'backend');
  agent = await startAgent('--domain', 'cluster');
  await startAgent('--domain', 'infotainment');
});

after(async () => {
  for (const child of children.reverse()) await end(child, 'SIGTERM');
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A running example client that holds its lease. */
class Example {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor([command, ...first]: string[], ...args: (string | number)[]) {
    this.child = spawn(command!, [...first, ...args.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdin!.on('error', () => {}); // Enter for one that has ended already
    children.push(this.child);
    this.#lines = readline.createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return String((await this.#lines.next()).value);
  }

  /** The extents of its lease, which it prints once it has written them full. */
  async lease(): Promise<Extent[]> {
    const extents: Extent[] = [];
    for (let line = await this.line(); line !== 'holding'; line = await this.line()) {
      const [, offset, length] = /^lease \d+ at (\d+), (\d+) bytes$/.exec(line) ?? assert.fail(line);
      extents.push({ offset: Number(offset), length: Number(length) });
    }
    return extents;
  }

  async pressEnter(): Promise<number> {
    const ended = once(this.child, 'exit');
    this.child.stdin!.write('\n');
    return (await ended)[0] as number;
  }
}

async function arenaFile(): Promise<string> {
  const client = await LineClient.open(socket);
  const { hello } = await client.call({ op: 'hello', version: 1 });
  await client.hangUp();
  return (hello as SessionWelcome).arena.path;
}

function holds(file: string, extents: readonly Extent[], byte: number): boolean {
  const fd = fs.openSync(file, 'r');
  const same = extents.every(({ offset, length }) => {
    const memory = Buffer.alloc(length);
    fs.readSync(fd, memory, 0, length, offset);
    return memory.equals(Buffer.alloc(length, byte));
  });
  fs.closeSync(fd);
  return same;
}

const bytesOf = (extents: readonly Extent[]): number => extents.reduce((sum, { length }) => sum + length, 0);

const socketFigures = async (): Promise<Record<string, number>> => {
  const client = await LineClient.open(socket);
  const { status } = await client.call({ op: 'status' });
  await client.hangUp();
  return (status as { socket: Record<string, number> }).socket;
};

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > giveUp) throw new Error(`waited 20 s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The whole of the domain's memory can be had, and nothing that anybody wrote is in it. */
async function allIsBackAndClean(): Promise<void> {
  const memory = await connect({ domain: 'cluster', runDir });
  const whole = 96 * MIB;
  for (let tries = 0; ; tries++) {
    try {
      const lease = await memory.borrow(whole, { deadline: 5000 });
      assert.ok(Buffer.from(lease.view.buffer, lease.view.byteOffset, whole).equals(Buffer.alloc(whole)));
      break;
    } catch (error) {
      if (tries > 100) throw error; // what was released is being scrubbed
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  await memory.close();
}

const works = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const compiler = ['cc', 'gcc', 'clang'].find(works);

interface Client {
  readonly name: string;
  readonly missing: string | false;
  readonly command: () => string[];
}
const CLIENTS: readonly Client[] = [
  {
    name: 'C',
    missing: compiler === undefined && 'there is no C compiler here',
    command: () => {
      const program = path.join(folder, 'borrow');
      if (!fs.existsSync(program)) {
        const flags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program];
        execFileSync(compiler!, [...flags, path.join(EXAMPLES, 'borrow.c')], { stdio: 'inherit' });
      }
      return [program];
    },
  },
  {
    name: 'Python',
    missing: !works('python3') && 'there is no Python 3 here',
    command: () => ['python3', path.join(EXAMPLES, 'borrow.py')],
  },
];

for (const { name, missing, command } of CLIENTS) {
  describe(`the example client in ${name}`, { skip: missing }, () => {
    test('borrows, writes, and gives back', async () => {
      const client = new Example(command(), socket, 8 * MIB, 0x5a);
      const lease = await client.lease();
      assert.equal(bytesOf(lease), 8 * MIB);
      assert.ok(holds(await arenaFile(), lease, 0x5a), 'what it wrote is in the arena file');
      assert.equal(await client.pressEnter(), 0);
      assert.deepEqual([await client.line(), await client.line()], ['done', 'released']);
      await allIsBackAndClean();
    });

    test('is told why it cannot have what nobody has', async () => {
      const client = spawn(command()[0]!, [...command().slice(1), socket, String(1024 * MIB)], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [complaint, [code]] = await Promise.all([text(client.stderr), once(client, 'exit')]);
      assert.equal(code, 2);
      assert.match(complaint, /cannot borrow 1 GiB.*the size of the arena/);
    });

    test('leaves nothing behind when it is killed', async () => {
      const client = new Example(command(), socket, 32 * MIB, 0x6b);
      const lease = await client.lease();
      assert.ok(holds(await arenaFile(), lease, 0x6b));
      await end(client.child, 'SIGKILL');
      await allIsBackAndClean();
    });

    test('lets go when its memory is wanted elsewhere', async () => {
      const client = new Example(command(), socket, 96 * MIB, 0x7c);
      await client.lease();
      const other = await connect({ domain: 'infotainment', runDir });
      const burst = await other.borrow(128 * MIB, { deadline: 20_000 });
      assert.equal(await client.line(), 'wanted back');
      assert.equal(await client.line(), 'released');
      assert.ok(Buffer.from(burst.view.buffer, burst.view.byteOffset, 128 * MIB).equals(Buffer.alloc(128 * MIB)));
      await other.close();
    });

    test('keeps its lease while its agent is killed and started anew', async () => {
      const client = new Example(command(), socket, 16 * MIB, 0x8d);
      const lease = await client.lease();
      await end(agent, 'SIGKILL');
      assert.equal(await client.line(), 'the agent has gone');
      agent = await startAgent('--domain', 'cluster');
      const file = await arenaFile();
      // Everybody else may have all that is left, and writes on it.
      const others = await LineClient.greet(socket);
      let taken: Message;
      do taken = await others.call({ op: 'borrow', bytes: 2 * MIB, deadline_ms: 100 });
      while (taken.ok && !overlaps(taken, lease));
      assert.equal(taken.ok, false, 'nobody got a chunk of it');
      assert.ok(holds(file, lease, 0x8d));
      await others.hangUp();
      assert.equal(await client.pressEnter(), 0);
      await allIsBackAndClean();
    });
  });
}

const overlaps = (reply: Message, held: readonly Extent[]): boolean =>
  (reply.extents as Extent[]).some((one) =>
    held.some(({ offset, length }) => one.offset < offset + length && offset < one.offset + one.length),
  );

test('a client whose lock the agent holds leaves nothing behind when it is killed', async () => {
  const program = `
    const socket = require('node:net').connect(process.argv[1]);
    socket.write('{"op":"hello","version":1}\\n{"op":"borrow","bytes":${32 * MIB},"deadline_ms":5000,"id":"lease"}\\n');
    socket.setEncoding('utf8').on('data', (text) => {
      if (!text.includes('"id":"lease"')) return;
      const { file, extents } = JSON.parse(text.trim().split('\\n').at(-1));
      const fs = require('node:fs');
      const fd = fs.openSync(file, 'r+');
      for (const { offset, length } of extents) fs.writeSync(fd, Buffer.alloc(length, 0x9e), 0, length, offset);
      console.log('holding');
    });`;
  const client = spawn(process.execPath, ['-e', program, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(client);
  await Promise.race([once(client.stdout!, 'data'), once(client, 'exit').then(() => assert.fail('it ended'))]);
  assert.equal((await socketFigures()).leased_bytes, 32 * MIB);
  await end(client, 'SIGKILL');
  await until('the agent has noticed', async () => (await socketFigures()).leases === 0);
  await allIsBackAndClean();
});

test('memtide status tells of the socket', async () => {
  const client = await LineClient.greet(socket);
  const reply = await client.call({ op: 'borrow', bytes: 4 * MIB, deadline_ms: 5000 });
  assert.equal(reply.ok, true, JSON.stringify(reply));
  const status = (...args: string[]): string =>
    execFileSync(process.execPath, [MAIN, 'status', '--run-dir', runDir, ...args], { encoding: 'utf8' });
  assert.match(status(), /cluster +2 connections, 1 lease of 4 MiB/);
  const { domains } = JSON.parse(status('--json')) as { domains: Record<string, { socket: Record<string, number> }> };
  assert.equal(domains.cluster!.socket.leases, 1);
  await client.hangUp();
});
