import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import type { CommandIo } from '../../../src/commands/io.ts';
import { type RecordOptions, recordCommand } from '../../../src/commands/record.ts';
import { EXIT, MemtideError } from '../../../src/errors.ts';
import { readRecording } from '../../../src/evaluation/recording/read.ts';
import { MIB } from '../../../src/units.ts';

async function record(test: TestContext, options: Partial<RecordOptions>, signal = new AbortController().signal) {
  const cwd = await mkdtemp(join(tmpdir(), 'memtide-record-'));
  test.after(() => rm(cwd, { recursive: true, force: true }));
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const { PATH, HOME } = process.env;
  const io: CommandIo = { stdout, stderr, env: { PATH, HOME }, cwd, signal, interactive: false, columns: 80 };
  const exitCode = await recordCommand({ command: [], out: 'out.csv', intervalMillis: 10, csv: false, ...options }, io);
  stderr.end();
  return { exitCode, cwd, told: await text(stderr), path: join(cwd, 'out.csv') };
}

const node = (script: string) => [process.execPath, '-e', script];
/** Takes memory, and holds it until a few samples are sure to have seen it. */
const HOLD = 'setTimeout(() => {}, 250)';

describe('memtide record', () => {
  it('sees the memory that a program takes, and tells its peak', async (test) => {
    const { path, told } = await record(test, { command: node(`const held = Buffer.alloc(64 << 20, 1); ${HOLD}`) });
    const { trace, provenance } = await readRecording(path);
    const peak = Math.max(...trace.usedBytes);
    assert.ok(peak >= 64 * MIB && peak < 192 * MIB, `${peak / MIB} MiB`);
    assert.equal(provenance?.interval_ms, '10');
    assert.match(told, /peak +[\d.]+ MiB/);
    assert.match(told, /own CPU/);
  });

  it('adds up children, also of a program that is long gone itself', async (test) => {
    const child = `const held = Buffer.alloc(48 << 20, 1); ${HOLD}`;
    const script = `for (let i = 0; i < 2; i++) require('node:child_process').spawn(process.execPath, ['-e', '${child}'])`;
    const { path, told } = await record(test, {
      command: ['sh', '-c', `"$0" -e "$1"; exit 0`, process.execPath, script],
    });
    const peak = Math.max(...(await readRecording(path)).trace.usedBytes);
    assert.ok(peak >= 96 * MIB, `${peak / MIB} MiB`);
    assert.match(told, /samples of [4-9] processes/);
  });

  it('survives children that come and go between two samples', async (test) => {
    const { exitCode, path } = await record(test, {
      command: ['sh', '-c', 'i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done'],
      intervalMillis: 1,
    });
    assert.equal(exitCode, 0);
    assert.ok((await readRecording(path)).trace.atMicros.length > 1);
  });

  it('exits as the program did', async (test) => {
    assert.equal((await record(test, { command: ['sh', '-c', 'exit 37'] })).exitCode, 37);
    assert.equal((await record(test, { command: ['sh', '-c', 'kill -9 $$'] })).exitCode, 137);
  });

  it('hands a signal on, and writes what was recorded until the program ended by it', async (test) => {
    const abort = new AbortController();
    const command = ['sh', '-c', `trap 'exit 5' INT; : >started; while :; do sleep 0.02; done`];
    const running = record(test, { command }, abort.signal);
    const root = await until(async () => {
      const folders = (await readdir(tmpdir())).filter((name) => name.startsWith('memtide-record-'));
      return folders.map((name) => join(tmpdir(), name)).find((folder) => existsSync(join(folder, 'started')));
    });
    abort.abort('SIGINT');
    const { exitCode, path } = await running;
    assert.equal(exitCode, 5);
    assert.ok(path.startsWith(root));
    assert.equal((await readRecording(path)).truncated, false);
  });

  it('writes plain CSV if asked to', async (test) => {
    const { path } = await record(test, { command: ['sh', '-c', 'sleep 0.05'], csv: true });
    assert.match(await readFile(path, 'utf8'), /^time_s,bytes\n0\.0\d{3},\d+\n/);
  });

  it('tells neither the working folder nor the home in the header', async (test) => {
    const { path, cwd } = await record(test, { command: ['sh', '-c', 'ls "$PWD" >/dev/null'], note: 'on a desk' });
    const header = await readFile(path, 'utf8');
    assert.ok(!header.includes(cwd));
    assert.match(header, /# note: on a desk\n/);
  });

  it('names the file after the program where no name is given', async (test) => {
    const { cwd, told } = await record(test, { command: ['/bin/sh', '-c', ':'], out: undefined as unknown as string });
    const [file] = await readdir(cwd);
    assert.match(file ?? '', /^sh-\d{8}T\d{6}Z\.memtide\.csv$/);
    assert.ok(told.includes(join(cwd, file ?? '')));
  });

  it('refuses a program that is not there, none at all, and an interval that makes no sense', async (test) => {
    const refused = (options: Partial<RecordOptions>, exitCode: number) =>
      assert.rejects(record(test, options), (error) => error instanceof MemtideError && error.exitCode === exitCode);
    await refused({ command: ['no-such-program-anywhere'] }, EXIT.unavailable);
    await refused({ command: [] }, EXIT.usage);
    for (const intervalMillis of [0, Number.NaN, 60_000])
      await refused({ command: ['true'], intervalMillis }, EXIT.usage);
  });
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
