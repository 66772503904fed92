import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { before, describe, it, type TestContext } from 'node:test';
import { recordingsCommand, report } from '../../../src/commands/recordings.ts';
import { type ShippedRecording, shippedRecordings } from '../../../src/evaluation/recording/catalogue.ts';
import { formatRow } from '../../../src/evaluation/recording/format.ts';
import { gatherProvenance } from '../../../src/evaluation/recording/provenance.ts';
import { readRecording } from '../../../src/evaluation/recording/read.ts';
import { type RecordingReport, recordingsText } from '../../../src/evaluation/recording/report-text.ts';
import { pageSizeBytes } from '../../../src/native/page-size.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { fixtureTree } from '../pressure/fixture-tree.ts';
import { traceOf } from './traces.ts';

/** Renew it by hand, and read the difference. */
const GOLDEN = new URL('../../../../test/golden/recordings/report.txt', import.meta.url);

async function recordings(files: readonly string[], json: boolean): Promise<string> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const signal = new AbortController().signal;
  const io = { stdout, stderr, env: {}, cwd: tmpdir(), signal, interactive: false, columns: 80 };
  assert.equal(await recordingsCommand({ files, json }, io), 0);
  stdout.end();
  return text(stdout);
}

describe('the recordings that come with memtide', () => {
  let shipped: ShippedRecording[];
  before(async () => {
    shipped = await shippedRecordings();
  });

  it('are of a video transcode, a compilation and a browser', () => {
    assert.deepEqual(
      shipped.map(({ name }) => name),
      ['browser-pages', 'compile-cpp', 'video-transcode'],
    );
  });

  it('can be read, are whole, small, and tell where they come from but not where they were kept', async () => {
    for (const { name, path } of shipped) {
      const { trace, provenance, truncated } = await readRecording(path);
      assert.equal(truncated, false, name);
      assert.ok(trace.atMicros.length > 1000, name);
      assert.ok((await stat(path)).size < 300_000, name);
      const header = JSON.stringify(provenance);
      assert.ok(!header.includes(homedir()) && !/\/(?:work|tmp|home|root)\//.test(header), header);
    }
  });

  it('name a workload that comes with them', async () => {
    for (const { path } of shipped) {
      const { provenance } = await readRecording(path);
      const script = provenance?.command.replace(/^sh /, '') ?? '';
      assert.ok((await stat(join(path, '../workloads', script))).isFile(), script);
    }
  });
});

describe('memtide recordings', () => {
  it('prints figures of those that come with it', async () => {
    const reports = JSON.parse(await recordings([], true)) as RecordingReport[];
    assert.equal(reports.length, 3);
    for (const { name, characteristics, detector, detectorAdaptive, detectorCpuMicrosPerSample } of reports) {
      assert.ok(characteristics.peakToMean! > 1, name);
      assert.ok(detector.labelled > 3, name);
      assert.ok(detector.recall! > 0.8 && detector.precision! > 0.6, name);
      assert.ok(detectorAdaptive.samples < detector.samples, name);
      assert.ok(detectorCpuMicrosPerSample > 0, name);
    }
  });

  it('prints a table of files that are given, plain CSV included', async (test: TestContext) => {
    const folder = await mkdtemp(join(tmpdir(), 'memtide-recordings-'));
    test.after(() => rm(folder, { recursive: true, force: true }));
    const { atMicros, usedBytes } = traceOf(5, (at) => (at % 2.5 < 1 ? 10 : 60));
    const rows = [...atMicros].map((at, index) => formatRow(at, usedBytes[index]!));
    await writeFile(join(folder, 'mine.csv'), `time_s,bytes\n${rows.join('')}`);
    const printed = await recordings([join(folder, 'mine.csv')], false);
    assert.match(printed, /mine: plain CSV/);
    assert.match(printed, /^ +mine\nduration +5\.0 s\npeak +60 MiB\n/m);
  });

  it('prints the table that was reviewed, in 80 columns', async () => {
    const shipped = await Promise.all((await shippedRecordings()).map(({ path }) => readRecording(path)));
    // The time that the detector took is this machine's of this moment.
    const reports = shipped.map((recording) => ({ ...report(recording), detectorCpuMicrosPerSample: 1.5 }));
    const printed = recordingsText(reports, 80);
    for (const line of printed.split('\n')) assert.ok(line.length <= 80, line);
    assert.equal(printed, await readFile(GOLDEN, 'utf8'));
  });

  it('puts as many recordings side by side as fit, and one at least', async () => {
    const [first] = await Promise.all((await shippedRecordings()).map(({ path }) => readRecording(path)));
    const reports = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ ...report(first!), name }));
    for (const [columns, blocks] of [
      [10, 5],
      [80, 2],
      [200, 1],
    ] as const) {
      assert.equal(recordingsText(reports, columns).match(/^duration/gm)?.length, blocks, `${columns} columns`);
    }
  });
});

describe('where a recording comes from', () => {
  it('is the device tree’s model on a board', (test) => {
    const root = fixtureTree(test, { 'proc/device-tree/model': 'Raspberry Pi 5 Model B Rev 1.0\0' });
    const { board, page_size_bytes } = gather(['x'], root);
    assert.equal(board, 'Raspberry Pi 5 Model B Rev 1.0');
    assert.equal(page_size_bytes, 'unknown');
  });

  it('is the firmware’s product name on a PC, and unknown without either', (test) => {
    const root = fixtureTree(test, { 'sys/devices/virtual/dmi/id/product_name': 'Standard PC\n' });
    assert.equal(gather(['x'], root).board, 'Standard PC');
    assert.equal(gather(['x'], fixtureTree(test, {})).board, 'unknown');
  });

  it('has a command line that can be pasted into a shell, with private folders shortened', () => {
    const { command } = gather(['ffmpeg', '-i', '/home/ada/a b.mp4', "it's"], '/');
    assert.equal(command, String.raw`ffmpeg -i '~/a b.mp4' 'it'\''s'`);
  });

  it('knows the page size of this kernel', () => {
    const size = pageSizeBytes();
    assert.ok(size !== undefined && [4096, 16384, 65536].includes(size), String(size));
  });
});

const gather = (command: readonly string[], root: string) =>
  gatherProvenance({ command, intervalMillis: 10, wallMillis: 0, shorten: [['/home/ada', '~']], root });

describe('the package’s own folder', () => {
  it('is the first above with a package.json, from source and from compiled files alike', (test) => {
    const root = fixtureTree(test, { 'package.json': '{}', 'src/a/b.ts': '', 'dist/src/a/b.js': '' });
    assert.equal(packageRoot(join(root, 'src/a/b.ts')), root);
    assert.equal(packageRoot(join(root, 'dist/src/a/b.js')), root);
  });
});
