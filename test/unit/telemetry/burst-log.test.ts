import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { VirtualClock } from '../../../src/clock.ts';
import type { BurstRecord } from '../../../src/records.ts';
import { BurstLog, type BurstLogOptions } from '../../../src/telemetry/burst-log.ts';
import { type LogLine, readBurstLog } from '../../../src/telemetry/burst-log-reader.ts';
import { Reporter } from '../../../src/telemetry/reporter.ts';
import { Stamper } from '../../../src/telemetry/stamp.ts';
import { burstRecordOf, pressureSampleOf } from '../../../src/telemetry/wire.ts';
import { bytes, micros } from '../../../src/units.ts';

const BOOT = '8d2d4f2e-5f63-4d2c-9f51-6a0c7c3d8b11';
const burst: BurstRecord = {
  id: 'one',
  domain: 'cluster',
  atMicros: micros(7),
  requestedBytes: bytes(4096),
  tierBytes: { reserve: 4096, pool: 0, peer: 0 },
  mode: 'split',
  outcome: 'served',
  stages: {},
  totalMicros: 3,
  idleBytes: bytes(0),
};

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'memtide-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function opened(t: TestContext, options: Partial<BurstLogOptions> = {}) {
  const folder = options.folder ?? (await folderFor(t));
  const log = new BurstLog({ folder, domain: 'cluster', bootId: BOOT, ...options });
  await log.start();
  t.after(() => log.stop());
  const stamper = new Stamper({
    clock: new VirtualClock(9),
    bootId: BOOT,
    readSyncState: () => ({ known: true, synced: true }),
  });
  return { folder, log, reporter: new Reporter(stamper, [log]) };
}

async function read(file: string): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of readBurstLog(file)) lines.push(line);
  return lines;
}

test('what was reported is read back from the disk after a flush', async (t) => {
  const { log, reporter } = await opened(t);
  const sample = { atMicros: micros(5), scope: 'domain', usedBytes: bytes(8) } as const;
  reporter.pressure(sample);
  reporter.burst(burst);
  reporter.mark('touch', 'here');
  await log.flush();
  const { file, syncedBytes, droppedLines } = log.status();
  assert.equal(syncedBytes, (await readFile(file!)).length);
  assert.equal(droppedLines, 0);
  const [mem, served, mark] = await read(file!);
  assert.ok(mem?.ok && mem.report === 'tele/mem' && served?.ok && served.report === 'event/burst' && mark?.ok);
  assert.deepEqual(pressureSampleOf(mem.payload), sample);
  assert.deepEqual(burstRecordOf(served.payload), burst);
  assert.deepEqual([mark.report, mark.domain], ['event/mark', 'cluster']);
});

test('a power cut at any byte of the last line costs that line only', async (t) => {
  const { folder, log, reporter } = await opened(t);
  for (const id of ['one', 'two', 'three']) reporter.burst({ ...burst, id });
  await log.flush();
  const whole = await readFile(log.status().file!);
  const lastLine = whole.lastIndexOf('\n', whole.length - 2) + 1;
  const cut = join(folder, 'cut.jsonl');
  await writeFile(cut, whole);
  for (let length = whole.length - 2; length > lastLine; length -= 7) {
    await truncate(cut, length);
    const lines = await read(cut);
    assert.deepEqual(
      lines.map((line) => (line.ok ? (line.payload as { id: string }).id : line.torn)),
      ['one', 'two', true],
    );
  }
});

test('damage in the middle is named by its line, and the rest is read', async (t) => {
  const { log, reporter } = await opened(t);
  reporter.burst(burst);
  await log.flush();
  const file = log.status().file!;
  await appendFile(file, 'null\n{"report":"__proto__"}\n{"report":"event/burst","domain":"x"}\n');
  reporter.burst({ ...burst, id: 'last' });
  await log.flush();
  const lines = await read(file);
  assert.deepEqual(
    lines.map((line) => (line.ok ? 'whole' : line.line)),
    ['whole', 2, 3, 4, 'whole'],
  );
});

test('each start has a file of its own', async (t) => {
  const { folder } = await opened(t);
  await opened(t, { folder });
  assert.deepEqual((await readdir(folder)).sort(), [
    'drive-8d2d4f2e-cluster-1.jsonl',
    'drive-8d2d4f2e-cluster-2.jsonl',
  ]);
});

test('at its size limit the log stops, says so once, and counts what it could not keep', async (t) => {
  const problems: string[] = [];
  const { log, reporter } = await opened(t, { maxBytes: 1000, onProblem: (reason) => problems.push(reason) });
  for (let i = 0; i < 20; i++) reporter.burst(burst);
  await log.flush();
  const { file, droppedLines, syncedBytes } = log.status();
  assert.ok(syncedBytes <= 1000);
  assert.equal((await read(file!)).length + droppedLines, 20);
  assert.deepEqual(problems, [`${file} has reached its limit of 1000 bytes`]);
});

/** Lets this process write files of so many bytes and no more; beyond, a write fails as on a full disk. */
const limitFileSize = (limit: string) =>
  promisify(execFile)('prlimit', ['--pid', String(process.pid), `--fsize=${limit}:`]);
const prlimit = await limitFileSize('unlimited').then(
  () => true,
  () => false,
);

test('when the disk is full the loss is counted and said once; when it has room again the log goes on', {
  skip: prlimit ? false : 'prlimit (util-linux) is not installed',
}, async (t) => {
  const stayAlive = () => {};
  process.on('SIGXFSZ', stayAlive);
  t.after(() => process.off('SIGXFSZ', stayAlive));
  t.after(() => limitFileSize('unlimited'));
  const problems: string[] = [];
  const { log, reporter } = await opened(t, { onProblem: (reason) => problems.push(reason) });
  reporter.burst({ ...burst, id: 'before' });
  await log.flush();
  const file = log.status().file!;
  const { length } = await readFile(file);
  await limitFileSize(String(length + 100));
  reporter.burst({ ...burst, id: 'lost' });
  await log.flush();
  reporter.burst({ ...burst, id: 'lost too' });
  await log.flush();
  assert.equal(log.status().droppedLines, 2);
  assert.deepEqual(problems, [`${file}: EFBIG`]);
  await limitFileSize('unlimited');
  reporter.burst({ ...burst, id: 'after' });
  await log.flush();
  const lines = await read(file);
  assert.deepEqual(
    lines.map((line) => (line.ok ? (line.payload as { id: string }).id : line.torn)),
    ['before', true, 'after'],
  );
});

test('what is reported to a log that is closed is counted', async (t) => {
  const { log, reporter } = await opened(t);
  await log.stop();
  reporter.burst(burst);
  assert.equal(log.status().droppedLines, 1);
});

test('a folder that cannot be made is an error that says so', async (t) => {
  const folder = await folderFor(t);
  await writeFile(join(folder, 'file'), '');
  const log = new BurstLog({ folder: join(folder, 'file/logs'), domain: 'cluster', bootId: BOOT });
  await assert.rejects(log.start(), /cannot open a drive log[\s\S]*ENOTDIR[\s\S]*log_dir/);
});
