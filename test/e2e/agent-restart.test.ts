/** An agent is killed in the middle of its work, and started again: its applications must not notice more than a delay. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askDomain } from '../../src/demo/backend-status.ts';
import { type Connection, connect } from '../../src/index.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';

const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
const folder = fs.mkdtempSync(path.join(base, 'memtide-restart-'));
const runDir = path.join(folder, 'run');
const config = path.join(folder, 'memtide.json');
const agents = new Map<string, ChildProcess>();

async function start(name: string): Promise<void> {
  const role = name === 'backend' ? ['--role', 'backend'] : ['--domain', name];
  const child = spawn(process.execPath, [MAIN, 'agent', '--config', config, ...role], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  agents.set(name, child);
  const complaints = text(child.stderr!);
  const ended = once(child, 'exit').then(async ([code]) => {
    throw new Error(`agent ${name} ended with ${code}: ${await complaints}`);
  });
  ended.catch(() => {}); // at the end of the test they all end
  const [line] = await Promise.race([once(child.stdout!, 'data'), ended]);
  assert.match(String(line), /ready/);
}

async function kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const child = agents.get(name)!;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Resolves when `is` holds; the test's own time limit is the only one. */
async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await new Promise((resolve) => setTimeout(resolve, 10));
}

before(async () => {
  fs.writeFileSync(
    config,
    JSON.stringify({
      run_dir: runDir,
      total_mib: 192,
      domains: [
        { name: 'cluster', floor_mib: 16, ceiling_mib: 160, budget_mib: 32 },
        { name: 'infotainment', floor_mib: 16, ceiling_mib: 160, budget_mib: 32 },
      ],
      mqtt: { embedded: { port: 0 } },
      log: { level: 'warn' },
    }),
  );
  for (const name of ['backend', 'cluster', 'infotainment']) await start(name);
});

after(async () => {
  for (const name of [...agents.keys()].reverse()) await kill(name, 'SIGTERM');
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Ends whatever happens to the test. */
async function connected(use: (memory: Connection) => Promise<void>): Promise<void> {
  const memory = await connect({ domain: 'cluster', runDir });
  try {
    await use(memory);
  } finally {
    await memory.close();
  }
}

test('leases outlive their agent, what is there can be claimed without it, and its successor takes the session up', async () => {
  await connected(async (memory) => {
    const kept = await memory.borrow(8 * MIB, { deadline: 5000 });
    kept.fill(0xa5);
    const early = await memory.borrow(2 * MIB, { deadline: 5000 });
    await kill('cluster');
    await until(() => !memory.agentIsThere);
    early.release();
    const claimed = memory.tryBorrow(2 * MIB);
    assert.ok(claimed, 'offers are claimed with nobody’s help');
    const before = memory.droppedReports;
    memory.reportRefused(MIB, 1, 'deadline', 1);
    assert.equal(memory.droppedReports, before + 1);
    // Asked while nobody is there to pass it on; more than the domain could claim by itself.
    const asked = memory.borrow(64 * MIB, { deadline: 20_000 });
    await start('cluster');
    const burst = await asked;
    assert.ok(
      burst.view.every((byte) => byte === 0),
      'handed over scrubbed',
    );
    await until(() => memory.agentIsThere);
    assert.ok(
      kept.view.every((byte) => byte === 0xa5),
      'a lease of before is what it was',
    );
    const after = await memory.borrow(4 * MIB, { deadline: 5000 });
    after.fill(1);
    for (const lease of [kept, claimed, burst, after]) lease.release();
  });
});

test('a session that goes on is nobody else’s, and one that ended while the agent was away is taken back', async () => {
  await connected(async (memory) => {
    const lost = await connect({ domain: 'cluster', runDir });
    const held = await lost.borrow(16 * MIB, { deadline: 5000 });
    held.fill(0xee);
    await kill('cluster');
    await until(() => !lost.agentIsThere);
    await lost.close();
    await start('cluster');
    const others = await Promise.all([1, 2, 3].map(() => connect({ domain: 'cluster', runDir })));
    try {
      assert.ok(others.every(({ session }) => session !== memory.session));
      const lease = await others[0]!.borrow(64 * MIB, { deadline: 10_000 });
      assert.ok(lease.view.every((byte) => byte === 0));
    } finally {
      for (const other of others) await other.close();
    }
  });
});

test('a program that runs under the budget is under it again with the agent’s successor', async () => {
  const program = spawn(
    process.execPath,
    [
      MAIN,
      'run',
      '--run-dir',
      runDir,
      '--domain',
      'cluster',
      '--',
      process.execPath,
      '-e',
      'setInterval(() => {}, 1000)',
    ],
    { stdio: 'ignore' },
  );
  const programs = async () => (await askDomain(new RunFiles(runDir).domain('cluster').socket)).programs!;
  try {
    await until(async () => (await programs()) > 0);
    await kill('cluster');
    await start('cluster');
    await until(async () => (await programs()) > 0);
  } finally {
    const ended = once(program, 'exit');
    program.kill('SIGTERM');
    await ended;
  }
});

test('an application whose agent is away does not keep its process alive', async () => {
  const program = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { connect } from ${JSON.stringify(new URL(`../../src/index${path.extname(import.meta.url)}`, import.meta.url).href)};
       const memory = await connect({ domain: 'cluster', runDir: ${JSON.stringify(runDir)} });
       console.log('connected');
       const waiting = setInterval(() => { if (!memory.agentIsThere) clearInterval(waiting); }, 10);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(program.stdout!, 'data');
  const ended = once(program, 'exit');
  await kill('cluster');
  assert.deepEqual(await ended, [0, null]);
  await start('cluster');
});
