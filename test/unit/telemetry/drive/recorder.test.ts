import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { VirtualClock } from '../../../../src/clock.ts';
import { driveExportCommand } from '../../../../src/commands/drive.ts';
import { driveLines, readDrive } from '../../../../src/telemetry/drive/read.ts';
import { DriveRecorder, type DriveRecorderOptions, type Received } from '../../../../src/telemetry/drive/recorder.ts';
import { fakeIo } from '../../../fakes/io.ts';

const SPOOL = '00112233445566aa';
const WALL = Date.UTC(2026, 10, 25, 7, 0, 0);

async function started(t: TestContext, options: Partial<DriveRecorderOptions> = {}) {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'memtide-drive-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const clock = new VirtualClock(5_000_000, WALL);
  const problems: string[] = [];
  const recorder = new DriveRecorder({
    folder,
    clock,
    bootId: 'recorder',
    readSyncState: () => ({ known: true, synced: true }),
    recorder: 'memtide test',
    onProblem: (reason) => problems.push(reason),
    ...options,
  });
  await recorder.start();
  t.after(() => recorder.stop());
  return { folder, clock, recorder, problems };
}

function mark(seq: number, more: Record<string, unknown> = {}): Received {
  const stamp = {
    v: 1,
    seq,
    boot: 'a',
    mono_ns: String(seq * 1e6),
    ts: new Date(WALL + seq).toISOString(),
    synced: true,
  };
  const payload = { ...stamp, source: 'gpio', label: `${seq}`, spool: SPOOL, spool_seq: seq, ...more };
  return { vehicle: 'car-7', domain: 'cluster', report: 'event/mark', payload };
}

async function labels(folder: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.jsonl')).sort()) {
    found[name] = [];
    await readDrive(join(folder, name), ({ payload }) => {
      found[name]!.push(String(payload.label));
    });
  }
  return found;
}

test('what was taken is confirmed once it is on disk and in the books, and not before', async (t) => {
  const { folder, recorder } = await started(t);
  for (const seq of [1, 2, 5]) assert.ok(recorder.take(mark(seq)));
  assert.deepEqual(recorder.words(), []);
  await recorder.flush();
  const said = { v: 1, spool: SPOOL, watermark: 2, missing: [[3, 4]] };
  assert.deepEqual(recorder.words(), [{ vehicle: 'car-7', domain: 'cluster', said }]);
  assert.deepEqual(await labels(folder), { 'car-7-20261125T070000.drive.jsonl': ['1', '2', '5'] });
  assert.equal(recorder.take(mark(5, { historical: true })), false, 'it is there already');
  assert.equal(recorder.status().duplicates, 1);
});

test('the books are taken up by the next start: what is on disk is neither written nor asked for again', async (t) => {
  const first = await started(t);
  first.recorder.take(mark(1));
  await first.recorder.stop();
  const second = await started(t, { folder: first.folder });
  assert.equal(second.recorder.words()[0]?.said.watermark, 1);
  assert.equal(second.recorder.take(mark(1)), false);
  await second.recorder.stop();
  await writeFile(join(first.folder, 'sink.json'), '[{"spool":');
  const third = await started(t, { folder: first.folder });
  assert.deepEqual(third.recorder.words(), [], 'books that are damaged cost duplicates, and no start');
});

test('a gap record stands for all that it tells of', async (t) => {
  const { recorder } = await started(t);
  const { payload, ...rest } = mark(9, { cause: 'cap', from_seq: 1, to_seq: 8, records: 8 });
  const { source: _, label: __, ...gap } = payload;
  recorder.take({ ...rest, report: 'event/gap', payload: gap });
  await recorder.flush();
  assert.deepEqual(recorder.words()[0]?.said, { v: 1, spool: SPOOL, watermark: 9 });
});

test('a vehicle that was silent begins another drive; what it still tells of an earlier boot has a file of its own', async (t) => {
  const { folder, clock, recorder } = await started(t);
  recorder.take(mark(1));
  recorder.take(mark(2, { historical: true }));
  recorder.take(mark(3, { historical: true, boot: 'yesterday' }));
  clock.advanceMicros(601e6);
  recorder.take(mark(4));
  await recorder.flush();
  assert.deepEqual(await labels(folder), {
    'car-7-20261125T070000-late.drive.jsonl': ['3'],
    'car-7-20261125T070000.drive.jsonl': ['1', '2'],
    'car-7-20261125T071001.drive.jsonl': ['4'],
  });
});

test('a drive that is long enough is followed by the next', async (t) => {
  const { folder, recorder } = await started(t, { maxFileBytes: 2000 });
  for (let seq = 1; seq <= 30; seq++) recorder.take(mark(seq));
  await recorder.flush();
  const files = Object.values(await labels(folder));
  assert.ok(files.length > 2, `${files.length} files`);
  assert.deepEqual(
    files
      .flat()
      .map(Number)
      .sort((a, b) => a - b),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

test('a disk that fails is told once, nothing is confirmed, and all is written when it works again', async (t) => {
  const { folder, clock, recorder, problems } = await started(t);
  recorder.take(mark(1));
  const elsewhere = `${folder}-elsewhere`;
  await rename(folder, elsewhere);
  await recorder.flush();
  recorder.take(mark(2));
  await recorder.flush();
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /ENOENT/);
  assert.match(recorder.status().problem ?? '', /ENOENT/);
  assert.deepEqual(recorder.words(), []);
  await rename(elsewhere, folder);
  clock.advanceMicros(6e6);
  await recorder.flush();
  assert.equal(recorder.status().problem, undefined);
  assert.equal(recorder.words()[0]?.said.watermark, 2);
  assert.deepEqual(Object.values(await labels(folder)), [['1', '2']]);
});

test('a folder has one recorder at a time', async (t) => {
  const { folder } = await started(t);
  await assert.rejects(started(t, { folder }), /cannot record drives[\s\S]*another recorder uses it/);
});

test('the recorder’s clock is written at the start, every ten seconds, and when it becomes synchronised', async (t) => {
  let synced = false;
  const { clock, recorder } = await started(t, { readSyncState: () => ({ known: true, synced }) });
  for (let seq = 1; seq <= 30; seq++) {
    synced = seq > 15;
    recorder.take(mark(seq));
    clock.advanceMicros(1e6);
  }
  await recorder.flush();
  const clocks: unknown[] = [];
  for await (const line of driveLines(recorder.status().files[0]!)) {
    if (line.kind === 'clock') clocks.push([Math.round(line.clock.monoMillis / 1000), line.clock.synced]);
  }
  assert.deepEqual(clocks, [
    [35, true],
    [15, false],
    [20, true],
    [30, true],
  ]);
});

test('a torn last line costs itself', async (t) => {
  const { folder, recorder } = await started(t);
  for (let seq = 1; seq <= 5; seq++) recorder.take(mark(seq));
  await recorder.stop();
  const path = join(folder, (await readdir(folder)).find((name) => name.endsWith('.jsonl'))!);
  await writeFile(path, (await readFile(path)).subarray(0, -20));
  const read: unknown[] = [];
  const { badLines, vehicle } = await readDrive(path, ({ payload }) => {
    read.push(payload.label);
  });
  assert.deepEqual([read, badLines, vehicle], [['1', '2', '3', '4'], 1, 'car-7']);
});

test('an export ends without a word when its reader has seen enough, and with one when the disk is full', async (t) => {
  const { recorder } = await started(t);
  for (let seq = 1; seq <= 500; seq++) recorder.take(mark(seq, { label: 'x'.repeat(500) }));
  await recorder.flush();
  const [file] = recorder.status().files;
  const closed = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  });
  assert.equal(await driveExportCommand({ file: file! }, fakeIo({ stdout: closed })), 0);
  await assert.rejects(
    driveExportCommand({ file: file!, out: '/dev/full' }, fakeIo()),
    /cannot write[\s\S]*\/dev\/full[\s\S]*ENOSPC/,
  );
});
