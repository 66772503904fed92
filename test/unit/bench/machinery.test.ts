/** The bench itself, on the real processes, with sizes and rounds so small that it takes seconds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { processCpuMicros } from '../../../src/evaluation/bench/cpu-time.ts';
import { reportText } from '../../../src/evaluation/bench/report.ts';
import { type BenchResult, benchResultSchema } from '../../../src/evaluation/bench/result.ts';
import { type BenchOptions, runBench } from '../../../src/evaluation/bench/run.ts';
import { bytes, KIB, MIB } from '../../../src/units.ts';

const SIZES = [64 * KIB, MIB];
const ROUNDS = 3;

function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs the bench in a folder of its own. */
async function bench(more: Partial<BenchOptions> = {}): Promise<BenchResult> {
  const parent = isWritable('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratchDir = fs.mkdtempSync(path.join(parent, 'memtide-test-'));
  try {
    return await runBench({
      quick: true,
      scratchDir,
      memoryBytes: bytes(96 * MIB),
      scheduling: {},
      signal: new AbortController().signal,
      progress: () => {},
      sizes: SIZES,
      rounds: () => ({ all: ROUNDS, residentMore: 1 }),
      ...more,
    });
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

describe('a small run of the bench', () => {
  let result: BenchResult;
  const shares: number[] = [];
  before(async () => {
    result = await bench({ progress: (_, share) => shares.push(share) });
  });

  it('gives a document that survives JSON and has the documented shape', () => {
    const document: unknown = JSON.parse(JSON.stringify(result));
    const parsed = benchResultSchema.safeParse(document);
    assert.ok(parsed.success, parsed.error?.message);
    assert.deepEqual(JSON.parse(JSON.stringify(parsed.data)), document);
  });

  it('has a row for every case at every size that it fits', () => {
    const found = result.rows.map(({ case: name, cache, bytes }) => `${name} ${cache ?? '-'} ${bytes}`);
    const cached = ['local-warm', 'local-pool', 'touch-only', 'tier1'];
    const others = [
      'local-fresh',
      'local-populate',
      'tier1-claim',
      'tier1-api',
      'tier1-socket',
      'tier1-empty',
      'tier2',
      'tier2-4k',
    ];
    const cases = [...cached.flatMap((name) => [`${name} hot`, `${name} cold`]), ...others.map((name) => `${name} -`)];
    const expected = cases.flatMap((name) => SIZES.map((size) => `${name} ${size}`));
    assert.deepEqual(found.sort(), expected.sort());
  });

  it('served every request of tier 1 from what was there, and every one of tier 2 from the donor', () => {
    assert.equal(result.background.hit_rate, 1);
    for (const row of result.rows.filter(({ case: name }) => name.startsWith('tier2'))) {
      assert.equal(row.n, ROUNDS);
      assert.ok(row.stages_p50_us!.release > 0);
    }
  });

  it('has fresh memory where it says so', () => {
    for (const row of result.rows.filter(({ case: name }) => name === 'local-populate')) assert.ok(row.faults_min > 0);
    assert.deepEqual(
      result.warnings.filter((warning) => warning.startsWith('local-fresh')),
      [],
    );
  });

  it('says that no agent was measured, and reports', () => {
    assert.equal(result.agent, undefined);
    assert.match(reportText(result, { colours: false }), /^idle agent +not measured$/m);
  });

  it('tells its progress from 0 to 1', () => {
    assert.deepEqual(
      shares,
      [...shares].sort((a, b) => a - b),
    );
    assert.equal(shares[0], 0);
    assert.equal(shares.at(-1), 1);
  });
});

it('the bench ends at an abort', async () => {
  const abort = new AbortController();
  const progress = (step: string): void => {
    if (step.startsWith('tier2')) abort.abort();
  };
  await assert.rejects(bench({ signal: abort.signal, progress }), { name: 'AbortError' });
});

it('the bench refuses to run where no size fits, and says what it needs', async () => {
  await assert.rejects(bench({ memoryBytes: bytes(MIB) }), /cannot run the bench\n.*\n.*needs .* of which .* 1 MiB/);
});

it('CPU time of a process grows as it works', () => {
  const first = processCpuMicros(process.pid);
  while (processCpuMicros(process.pid) === first);
  assert.ok(processCpuMicros(process.pid) > first);
});
