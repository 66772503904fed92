import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from '../../src/index.ts';
import { readBurstLog } from '../../src/telemetry/burst-log-reader.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';

/** The command line as a user meets it: real processes, real memory, a real broker. */
const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
const folder = fs.mkdtempSync(path.join(base, 'memtide-e2e-'));
const runDir = path.join(folder, 'run');
const logDir = path.join(folder, 'log');
const config = path.join(folder, 'memtide.json');
const agents: ChildProcess[] = [];

const memtide = (args: string[], env: Record<string, string> = {}): ChildProcess =>
  spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });

/** Runs a command to its end. */
async function ran(args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = memtide(args);
  const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')]);
  return { code: code as number, out, err };
}

async function started(args: string[]): Promise<void> {
  const child = memtide(['agent', '--config', config, ...args]);
  agents.push(child);
  const complaints = text(child.stderr!);
  const ended = once(child, 'exit').then(async ([code]) => {
    throw new Error(`agent ${args.join(' ')} ended with ${code}: ${await complaints}`);
  });
  ended.catch(() => {}); // at the end of the test they all end
  const [line] = await Promise.race([once(child.stdout!, 'data'), ended]);
  assert.match(String(line), /ready/);
}

before(async () => {
  fs.writeFileSync(
    config,
    JSON.stringify({
      run_dir: runDir,
      log_dir: logDir,
      total_mib: 192,
      domains: [
        { name: 'cluster', floor_mib: 16, ceiling_mib: 128, budget_mib: 32 },
        { name: 'infotainment', floor_mib: 16, ceiling_mib: 160, budget_mib: 64 },
      ],
      mqtt: { embedded: { port: 0 } },
      latency: { probe_min_gap_s: 0 },
      log: { level: 'warn' },
    }),
  );
  await started(['--role', 'backend']);
  await started(['--domain', 'cluster']);
  await started(['--domain', 'infotainment']);
});

after(async () => {
  for (const agent of agents.reverse()) {
    if (agent.exitCode !== null) continue;
    const ended = once(agent, 'exit');
    agent.kill('SIGTERM');
    await ended;
  }
  fs.rmSync(folder, { recursive: true, force: true });
});

test('an application borrows, and its burst is logged with its tiers and a local allocation beside it', async () => {
  const memory = await connect({ domain: 'infotainment', runDir });
  const at = Number(process.hrtime.bigint()) / 1000;
  const lease = await memory.borrow(8 * MIB, { deadline: 1000 });
  lease.fill(1);
  memory.report(lease, at);
  lease.release();
  await memory.close();
  const record = await logged('infotainment');
  assert.equal(record.requested_bytes, 8 * MIB);
  assert.equal(record.reserve_bytes + record.pool_bytes + record.peer_bytes, 8 * MIB);
  assert.ok(record.probe_fresh_us !== undefined || record.probe_skipped !== undefined);
});

/** The first burst in a domain's log; a probe waits for a quiet moment, and the log is synced once a second. */
async function logged(domain: string) {
  for (let tries = 0; tries < 200; tries++) {
    for (const name of fs.existsSync(logDir) ? fs.readdirSync(logDir) : []) {
      if (!name.includes(domain)) continue;
      for await (const line of readBurstLog(path.join(logDir, name))) {
        if (line.ok && line.report === 'event/burst') return line.payload;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('no burst was logged');
}

test('what an application holds comes back when it is killed, and the domain can have it again', async () => {
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { connect } from ${JSON.stringify(new URL(`../../src/index${path.extname(import.meta.url)}`, import.meta.url).href)};
       const memory = await connect({ domain: 'cluster', runDir: ${JSON.stringify(runDir)} });
       const lease = await memory.borrow(${64 * MIB}, { deadline: 1000 });
       lease.fill(0xee);
       console.log('holding');
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout!, 'data');
  const ended = once(holder, 'exit');
  holder.kill('SIGKILL');
  await ended;
  const memory = await connect({ domain: 'cluster', runDir });
  const lease = await memory.borrow(64 * MIB, { deadline: 5000 });
  assert.ok(
    lease.view.every((byte) => byte === 0),
    'nothing of the dead application is left in it',
  );
  await memory.close();
});

test('a second agent for a domain, and a second back end, are refused with the mend', async () => {
  const second = await ran(['agent', '--config', config, '--domain', 'cluster']);
  assert.notEqual(second.code, 0);
  assert.match(second.err, /has an agent already[\s\S]*to mend/);
  assert.doesNotMatch(second.err, /\bat .*\.js:\d+/, 'no stack trace');
  const backend = await ran(['agent', '--config', config, '--role', 'backend']);
  assert.notEqual(backend.code, 0);
  assert.match(backend.err, /no other back end[\s\S]*one is running[\s\S]*to mend/);
});

test('a program runs under its domain’s budget and gives its exit code back', async () => {
  const program = await ran(['run', '--run-dir', runDir, '--domain', 'infotainment', '--', 'sh', '-c', 'exit 7']);
  assert.equal(program.code, 7);
  assert.match(program.err, /in infotainment, .* to begin with/);
});

test('bad input ends with a message that names the mend, and no stack trace', async () => {
  const cases: [string[], RegExp][] = [
    [['agent', '--domain', 'nowhere', '--config', config], /nowhere[\s\S]*one of cluster, infotainment/],
    [['agent', '--role', 'backend', '--config', '/does/not/exist.json'], /\/does\/not\/exist\.json/],
    [['run', '--run-dir', path.join(folder, 'empty'), '--domain', 'x', '--', 'true'], /running agent[\s\S]*to mend/],
    [['agent'], /--role backend, or --domain NAME/],
    [['bench', '--no-such-option'], /unknown option/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = await ran(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(err, message);
    assert.doesNotMatch(err, /\n\s+at .*:\d+:\d+/, args.join(' '));
  }
});
