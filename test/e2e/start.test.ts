/**
 * `memtide start` and `memtide status` as a user meets them: real processes, real memory, no terminal. What is said is
 * checked against what is found in /proc and on disk; no figure is asserted that depends on how fast the machine is.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { readDrive } from '../../src/demo/drive.ts';
import { EXIT } from '../../src/errors.ts';
import { MIB } from '../../src/units.ts';
import { MAIN } from '../command-line.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-e2e-start-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

let runs = 0;
function start(...args: string[]) {
  const logDir = path.join(folder, `run-${++runs}`);
  const child = spawn(process.execPath, [MAIN, 'start', '--log-dir', logDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, logDir, ended, out: text(child.stdout), err: text(child.stderr) };
}

async function ran(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { out, err, code: code as number };
}

const configOf = (logDir: string): { run_dir: string; total_mib: number } =>
  JSON.parse(fs.readFileSync(path.join(logDir, 'memtide.json'), 'utf8'));

/** Waits for something that comes; a test that waits in vain is ended by its runner. */
async function eventually<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const seen = look();
    if (seen) return seen;
    await pause(50);
  }
}

interface Process {
  readonly pid: number;
  readonly args: string;
}
/** The processes below `pid`, by /proc: who is there, not who says so. */
function childrenOf(pid: number): Process[] {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): Process[] => {
      try {
        const status = fs.readFileSync(`/proc/${name}/status`, 'utf8');
        if (!new RegExp(`^PPid:\\s+${pid}$`, 'm').test(status)) return [];
        return [{ pid: Number(name), args: fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        return []; // it has just ended
      }
    });
}
const lives = (pid: number): boolean => fs.existsSync(`/proc/${pid}`);

/** Resolves when all five processes run and the applications have logged something. */
async function running({ child, logDir }: { readonly child: ChildProcess; readonly logDir: string }) {
  const processes = await eventually(() => {
    const found = childrenOf(child.pid!);
    return found.length === 5 && found;
  });
  await eventually(() => fs.existsSync(path.join(logDir, 'app-replay.log')));
  return processes;
}

describe('memtide start', { timeout: 120_000 }, () => {
  it('serves bursts in both domains, tells them as logged, and leaves nothing but its logs', async () => {
    const run = start('--duration', '6', '--json');
    const processes = await running(run);
    const { run_dir } = configOf(run.logDir);
    assert.equal(await run.ended, EXIT.ok, await run.err);

    const told = JSON.parse(await run.out);
    const drive = await readDrive(run.logDir);
    const of = (outcome: string) => drive.bursts.filter((burst) => burst.outcome === outcome).length;
    assert.ok(told.served > 0);
    assert.equal(told.served, of('served'));
    assert.equal(
      told.refusals.reduce((sum: number, { n }: { n: number }) => sum + n, 0),
      of('refused'),
    );
    assert.deepEqual(new Set(drive.bursts.map(({ domain }) => domain)), new Set(['cluster', 'infotainment']));
    for (const { outcome, tierBytes, requestedBytes } of drive.bursts) {
      const given = tierBytes.reserve + tierBytes.pool + tierBytes.peer;
      if (outcome === 'served') assert.ok(given >= requestedBytes, `${given} of ${requestedBytes}`);
    }
    assert.deepEqual(
      processes.filter(({ pid }) => lives(pid)),
      [],
    );
    assert.equal(fs.existsSync(run_dir), false);
    assert.equal(drive.damagedLines, 0);
  });

  it('says without a terminal, line by line and without control characters, how it stands', async () => {
    const run = start('--duration', '5', '--mode', 'split');
    assert.equal(await run.ended, EXIT.ok, await run.err);
    const out = await run.out;
    assert.ok(!out.includes('\u001b') && !out.includes('\r'));
    assert.match(out, /^ +2 s +infotainment .* leased/m);
    assert.match(out, /Latency of a burst/);
    assert.ok(out.includes(`Logs and configuration: ${run.logDir}`));
    const { bursts } = await readDrive(run.logDir);
    assert.ok(bursts.length > 0 && bursts.every(({ mode }) => mode === 'split'));
  });

  it('ends in order on Ctrl-C, with the table of what was until then', async () => {
    const run = start('--forever');
    const processes = await running(run);
    const { run_dir } = configOf(run.logDir);
    run.child.kill('SIGINT');
    assert.equal(await run.ended, EXIT.ok, await run.err);
    assert.match(await run.out, /Logs and configuration/);
    assert.deepEqual(
      processes.filter(({ pid }) => lives(pid)),
      [],
    );
    assert.equal(fs.existsSync(run_dir), false);
  });

  it('tells which process died, and ends the others', async () => {
    const run = start('--forever');
    const processes = await running(run);
    const agent = processes.find(({ args }) => args.includes('--domain cluster'))!;
    process.kill(agent.pid, 'SIGKILL');
    assert.equal(await run.ended, EXIT.failed);
    assert.match(await run.err, /the agent of cluster\n.*\n +found: +signal SIGKILL/);
    assert.deepEqual(
      processes.filter(({ pid }) => lives(pid)),
      [],
    );
  });

  it('leaves no process and no lent memory behind when it is itself killed', async () => {
    const run = start('--forever');
    const processes = await running(run);
    const { run_dir } = configOf(run.logDir);
    run.child.kill('SIGKILL');
    await eventually(() => processes.every(({ pid }) => !lives(pid)));
    const left = fs
      .readdirSync(run_dir, { recursive: true })
      .map((name) => fs.statSync(path.join(run_dir, String(name))));
    assert.ok(left.reduce((sum, { blocks }) => sum + blocks * 512, 0) < MIB);
    fs.rmSync(run_dir, { recursive: true, force: true });
  });
});

describe('memtide status', { timeout: 60_000 }, () => {
  it('tells what runs, with the tiers of both domains', async () => {
    const run = start('--forever');
    await running(run);
    const { run_dir, total_mib } = configOf(run.logDir);
    const people = await ran('status', '--run-dir', run_dir);
    const programs = JSON.parse((await ran('status', '--config', path.join(run.logDir, 'memtide.json'), '--json')).out);
    run.child.kill('SIGINT');
    await run.ended;
    assert.equal(people.code, EXIT.ok, people.err);
    assert.match(people.out, /broker +mqtt:\/\/127\.0\.0\.1:\d+/);
    for (const name of ['cluster', 'infotainment']) assert.match(people.out, new RegExp(`^${name} +`, 'm'));
    assert.equal(programs.backend.total_bytes, total_mib * MIB);
    assert.deepEqual(
      programs.backend.domains.map(({ name, connected }: { name: string; connected: boolean }) => [name, connected]),
      [
        ['cluster', true],
        ['infotainment', true],
      ],
    );
    assert.equal(programs.domains.infotainment.sessions, 1);
  });

  it('says plainly that nothing runs', async () => {
    const { code, err } = await ran('status', '--run-dir', path.join(folder, 'nowhere'));
    assert.equal(code, EXIT.unavailable);
    assert.match(err, /no back end runs there/);
  });
});
