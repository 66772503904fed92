import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { EXIT, MemtideError } from '../../../src/errors.ts';
import { formatHeader, formatRow, type Provenance } from '../../../src/evaluation/recording/format.ts';
import { parseRecording } from '../../../src/evaluation/recording/parse.ts';
import { readRecording } from '../../../src/evaluation/recording/read.ts';
import { RecordingWriter } from '../../../src/evaluation/recording/write.ts';

const PROVENANCE: Provenance = {
  command: "sh -c 'make all'",
  measured: 'RssAnon + RssShmem of the process tree',
  board: 'unknown',
  cpu: '4 x Cortex-A72',
  kernel: 'Linux 6.12.20 arm64',
  page_size_bytes: '4096',
  interval_ms: '10',
  recorder: 'memtide 0.1.0',
  recorded_at: '2026-11-23T09:31:07Z',
};
const HEADER = formatHeader(PROVENANCE);
const ROWS = '0.0000,100\n0.0101,200\n';

async function folder(test: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'memtide-recording-'));
  test.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

describe('a recording', () => {
  it('is read back as it was written', async (test) => {
    const path = join(await folder(test), 'some.memtide.csv');
    const writer = new RecordingWriter(path, { ...PROVENANCE, note: 'two\nlines' });
    await writer.ready();
    const samples = Array.from({ length: 5000 }, (_, index) => [index * 10_000, index * 4096] as const);
    for (const [at, used] of samples) writer.append(at, used);
    await writer.close();
    const recording = await readRecording(path);
    assert.equal(recording.name, 'some');
    assert.equal(recording.truncated, false);
    assert.deepEqual(recording.provenance, { ...PROVENANCE, note: 'two lines' });
    assert.deepEqual(
      [...recording.trace.atMicros],
      samples.map(([at]) => at),
    );
    assert.deepEqual(
      [...recording.trace.usedBytes],
      samples.map(([, used]) => used),
    );
  });

  it('may be plain CSV, with either kind of line end, a byte order mark, and no newline at its end', () => {
    for (const text of [`time_s,bytes\n${ROWS}`, '\ufefftime_s,bytes\r\n0.0000,100\r\n0.0101,200']) {
      const { trace, provenance, truncated } = parseRecording(text, 'a/b.csv');
      assert.deepEqual([...trace.atMicros], [0, 10_100]);
      assert.deepEqual([...trace.usedBytes], [100, 200]);
      assert.deepEqual([provenance, truncated], [undefined, false]);
    }
  });

  it('loses its last line, and no more, to a power cut', () => {
    const { trace, truncated } = parseRecording(`${HEADER}${ROWS}0.0200,30`, 'cut');
    assert.equal(truncated, true);
    assert.deepEqual([...trace.usedBytes], [100, 200]);
  });

  it('keeps header keys that this version does not know', () => {
    const text = `${HEADER.replace('# board:', '# weather: rain\n# board:')}${ROWS}`;
    assert.equal((parseRecording(text, 'x').provenance as Record<string, string>).weather, 'rain');
  });

  it('of any samples is read back, to a tenth of a millisecond', () => {
    const samples = fc.array(fc.record({ gap: fc.integer({ min: 100, max: 10_000_000 }), used: fc.maxSafeNat() }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(samples, (steps) => {
        let at = 0;
        const rows = steps.map(({ gap, used }) => {
          at += gap - (gap % 100);
          return { at, used };
        });
        const text = HEADER + rows.map((row) => formatRow(row.at, row.used)).join('');
        const { trace } = parseRecording(text, 'any');
        assert.deepEqual(
          [...trace.atMicros],
          rows.map((row) => row.at),
        );
        assert.deepEqual(
          [...trace.usedBytes],
          rows.map((row) => row.used),
        );
      }),
    );
  });
});

const WRONG: ReadonlyArray<readonly [what: string, text: string, line: number, expected: RegExp]> = [
  ['nothing', '', 1, /memtide recording 1/],
  ['another kind of file', '\u007fELF\u0002\u0001\n\n', 1, /time_s,bytes/],
  ['other columns', 'time,mem\n0,1\n', 1, /the columns time_s,bytes/],
  ['a later version', HEADER.replace('recording 1', 'recording 2') + ROWS, 1, /# memtide recording 1/],
  ['a comment that is no header', `# hello\ntime_s,bytes\n${ROWS}`, 1, /# memtide recording 1/],
  ['a header line without a key', `${HEADER.replace('# board: unknown', '# unknown')}${ROWS}`, 4, /# key: value/],
  ['a header key twice', `${HEADER.replace('# cpu', '# board: x\n# cpu')}${ROWS}`, 5, /board once/],
  ['a header that lacks a key', `${HEADER.replace(/# kernel: .*\n/, '')}${ROWS}`, 9, /# kernel: \.\.\./],
  ['no rows', HEADER, 12, /at least one row/],
  ['negative bytes', `${HEADER}${ROWS}0.5,-1\n`, 14, /whole bytes/],
  ['bytes with a fraction', `${HEADER}0.5,1.5\n`, 12, /whole bytes/],
  ['bytes in hexadecimal', `${HEADER}0.5,0x10\n`, 12, /whole bytes/],
  ['bytes beyond what a number can hold', `${HEADER}0.5,9999999999999999\n`, 12, /whole bytes/],
  ['a time that is no number', `${HEADER}NaN,1\n`, 12, /seconds/],
  ['an empty line', `${HEADER}0.1,1\n\n0.2,1\n`, 13, /seconds/],
  ['a third column', `${HEADER}0.1,1,2\n`, 12, /seconds/],
  ['time that stands still', `${HEADER}0.1,1\n0.1,2\n`, 13, /a time after 0\.1 s/],
  ['time that runs back', `${HEADER}0.2,1\n0.1,2\n`, 13, /a time after 0\.2 s/],
  ['a line without end', `${HEADER}0.1,${'1'.repeat(100_000)}\n`, 12, /at most 65536 characters/],
];

describe('a file that is no recording', () => {
  for (const [what, text, line, expected] of WRONG) {
    it(`${what}: is refused with the line, what should be there, and the mend`, () => {
      assert.throws(
        () => parseRecording(text, 'bad.csv'),
        (error) => {
          assert.ok(error instanceof MemtideError);
          assert.equal(error.detail.object, `bad.csv, line ${line}`);
          assert.match(error.detail.expected ?? '', expected);
          assert.ok(error.detail.remedy);
          assert.equal(error.exitCode, EXIT.badInput);
          return true;
        },
      );
    });
  }

  it('prints nothing that a terminal would obey', () => {
    assert.throws(
      () => parseRecording('time_s,bytes\n\u001b[2Jgone\u009b\n', 'bad.csv'),
      (error) =>
        error instanceof MemtideError && !error.message.includes('\u001b') && !error.message.includes('\u009b'),
    );
  });

  it('throws nothing but a MemtideError, whatever it holds', () => {
    const lines = fc.oneof(fc.string(), fc.constantFrom('time_s,bytes', '0.1,1', '0.2,5', ...HEADER.split('\n')));
    fc.assert(
      fc.property(fc.array(lines), (text) => {
        try {
          assert.ok(parseRecording(text.join('\n'), 'any').trace.atMicros.length > 0);
        } catch (error) {
          assert.ok(error instanceof MemtideError, String(error));
        }
      }),
    );
  });

  it('is refused when it is a folder, a device, or not there', async (test) => {
    const here = await folder(test);
    for (const path of [here, '/dev/zero', join(here, 'none.csv')]) {
      await assert.rejects(
        readRecording(path),
        (error) => error instanceof MemtideError && error.detail.object === path,
      );
    }
  });
});

describe('writing a recording', () => {
  it('replaces a file that is there', async (test) => {
    const path = join(await folder(test), 'x.csv');
    await writeFile(path, 'something much longer than what follows here');
    const writer = new RecordingWriter(path, undefined);
    writer.append(0, 7);
    await writer.close();
    assert.equal(await readFile(path, 'utf8'), 'time_s,bytes\n0.0000,7\n');
  });

  it('says at once that the file cannot be made', async (test) => {
    const writer = new RecordingWriter(join(await folder(test), 'none', 'x.csv'), undefined);
    await assert.rejects(writer.ready(), /write the recording/);
  });

  it('says at the end that the disk was full', async (test) => {
    const writer = new RecordingWriter('/dev/full', undefined);
    test.diagnostic('/dev/full refuses every write');
    writer.append(0, 7);
    await assert.rejects(writer.close(), /ENOSPC/);
  });
});
