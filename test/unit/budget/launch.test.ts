import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { MemtideError } from '../../../src/errors.ts';
import { type LaunchOptions, launchInDomain } from '../../../src/platforms/budget/launch.ts';
import { RlimitBudget } from '../../../src/platforms/budget/rlimit-budget.ts';
import { mebibytes } from '../../../src/units.ts';

const PATH = process.env.PATH;

async function launch(command: string, args: readonly string[], more: Partial<LaunchOptions> = {}) {
  const budget = new RlimitBudget({
    name: 'a',
    limit: mebibytes(96),
    floor: mebibytes(16),
    ceiling: mebibytes(96),
  });
  const program = await launchInDomain({
    command,
    args,
    budget,
    env: { PATH },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
    ...more,
  });
  return { ...program, output: text(program.process.stdout!) };
}

describe('launching a program in a domain', () => {
  it('has the limit in force before the first instruction of the program', async () => {
    const { output, exitCode } = await launch('sh', ['-c', 'ulimit -S -d; ulimit -H -d']);
    assert.equal(await exitCode, 0);
    const [soft, hard] = (await output).trim().split('\n');
    assert.ok(Number(soft) > 90 * 1024 && Number(soft) <= 96 * 1024, `${soft} KiB`);
    assert.notEqual(hard, soft, 'the hard limit stays, so that the budget can grow');
  });

  it('is the program: the same process number, its arguments untouched, no descriptor left open', async () => {
    const { pid, output } = await launch('sh', [
      '-c',
      'echo $$; echo "$1|$2"; (: <&3) 2>/dev/null || echo closed',
      'sh',
      'a  b',
      '$x;',
    ]);
    assert.equal(await output, `${pid}\na  b|$x;\nclosed\n`);
  });

  it('passes standard input and output through', async () => {
    const { process: child, output } = await launch('cat', []);
    child.stdin!.end('through the gate');
    assert.equal(await output, 'through the gate');
  });

  it('returns the exit code of the program, and 128 + n for signal n', async () => {
    assert.equal(await (await launch('sh', ['-c', 'exit 3'])).exitCode, 3);
    assert.equal(await (await launch('sh', ['-c', 'kill -TERM $$'])).exitCode, 143);
  });

  it('passes signals on, and stops listening when the program has ended', async () => {
    const signals = new EventEmitter();
    const { process: child, exitCode } = await launch(
      'sh',
      ['-c', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.01; done'],
      {
        signals,
      },
    );
    await once(child.stdout!, 'data');
    signals.emit('SIGTERM');
    assert.equal(await exitCode, 9);
    assert.deepEqual(signals.eventNames(), []);
  });

  it('leaves Ctrl-C to the terminal, which sends it to the program by itself', async () => {
    const signals = new EventEmitter();
    const { process: child, exitCode } = await launch('cat', [], { signals, interactive: true });
    assert.equal(signals.listenerCount('SIGINT'), 1, 'memtide outlives it');
    signals.emit('SIGINT');
    child.stdin!.end();
    assert.equal(await exitCode, 0);
  });

  it('finds a program by a path relative to the working directory', async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'memtide-launch-'));
    t.after(() => rmSync(cwd, { recursive: true }));
    writeFileSync(join(cwd, 'hello'), '#!/bin/sh\necho hello from $(pwd)\n');
    chmodSync(join(cwd, 'hello'), 0o755);
    assert.equal(await (await launch('./hello', [], { cwd })).output, `hello from ${cwd}\n`);
    assert.equal(
      await (await launch('hello', [], { cwd, env: { PATH: `nowhere:.:${PATH}` } })).output,
      `hello from ${cwd}\n`,
    );
  });

  it('says that a command is not found', async () => {
    await assert.rejects(launch('no-such-program', []), /cannot start a program: no-such-program[\s\S]*PATH/);
    await assert.rejects(launch('./no-such-program', []), MemtideError);
  });

  it('takes neither a directory nor a plain file for a program', async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'memtide-launch-'));
    t.after(() => rmSync(cwd, { recursive: true }));
    mkdirSync(join(cwd, 'directory'));
    writeFileSync(join(cwd, 'plain'), 'text');
    chmodSync(join(cwd, 'plain'), 0o644);
    for (const command of ['./directory', './plain']) {
      await assert.rejects(launch(command, [], { cwd }), MemtideError);
    }
  });

  it('reports a working directory that there is not', async () => {
    const { pid, exitCode } = await launch('sh', ['-c', 'true'], { cwd: '/no/such/directory' });
    assert.equal(pid, undefined);
    await assert.rejects(exitCode, MemtideError);
  });

  it('starts nothing when the budget does not take the program', async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'memtide-launch-'));
    t.after(() => rmSync(cwd, { recursive: true }));
    const refusing = new (class extends RlimitBudget {
      readonly asked: number[] = [];
      override addProgram(pid: number) {
        this.asked.push(pid);
        return { ok: false as const, reason: 'EPERM', remedy: 'run as root' };
      }
    })({ name: 'a', limit: mebibytes(64), floor: mebibytes(16), ceiling: mebibytes(64) });
    await assert.rejects(
      launch('sh', ['-c', 'echo started > started'], { cwd, budget: refusing }),
      /budget: sh[\s\S]*EPERM[\s\S]*run as root/,
    );
    assert.equal(refusing.asked.length, 1);
    // The shell at the gate is gone, and the program never was.
    await waitUntilGone(refusing.asked[0]!);
    assert.throws(() => rmSync(join(cwd, 'started')), { code: 'ENOENT' });
  });
});

async function waitUntilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
