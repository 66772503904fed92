/** The bench under pressure, on the real processes and in a real cgroup where one can be made, in seconds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { pressureText } from '../../../../src/evaluation/bench/pressure/report.ts';
import {
  type PressureResult,
  pressureFigures,
  pressureResultSchema,
} from '../../../../src/evaluation/bench/pressure/result.ts';
import { type PressureOptions, runPressure } from '../../../../src/evaluation/bench/pressure/run.ts';

const swaps = (): string => fs.readFileSync('/proc/swaps', 'latin1');
const leftInVarTmp = (): string[] =>
  fs.readdirSync('/var/tmp').filter((name) => name.startsWith(`memtide-bench-${process.pid}`));

async function pressure(more: Partial<PressureOptions> = {}): Promise<PressureResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratchDir = fs.mkdtempSync(path.join(parent, 'memtide-test-'));
  try {
    const signal = new AbortController().signal;
    return await runPressure({
      quick: true,
      scratchDir,
      signal,
      progress: () => {},
      blocks: 3, // at first the kernel takes what sleeps: the heaps of programs that have started
      requests: 3,
      ...more,
    });
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

describe('a small run under pressure', () => {
  const swapsBefore = swaps();
  let result: PressureResult;
  before(async () => {
    result = await pressure();
  });

  it('gives a document that survives JSON and has the documented shape', () => {
    const document: unknown = JSON.parse(JSON.stringify(result));
    assert.deepEqual(JSON.parse(JSON.stringify(pressureResultSchema.parse(document))), document);
  });

  it('finds a pool that was just used in memory, and a locked one whatever is wanted of it', () => {
    for (const pool of result.pools) {
      assert.equal(pool.resident_quiet, 1);
      if (pool.locked && pool.resident_short !== undefined) assert.equal(pool.resident_short, 1);
    }
    assert.deepEqual(
      result.pools.map(({ lock }) => lock),
      [true, false],
    );
  });

  it('takes from a pool that is not locked, where there is swap: the shortage is one', (t) => {
    if (!('swap' in result.shortage)) return t.skip('no cgroup or no swap to be had here');
    const share = result.pools[1]!.resident_short!;
    assert.ok(share < 1, `${share} of it stayed in memory`);
  });

  it('measures every tier in both states, or says why not', () => {
    const short = 'by' in result.shortage;
    for (const { tiers } of result.pools) {
      assert.deepEqual(
        tiers.map((row) => row.case),
        ['local-fresh', 'tier1', 'tier2'],
      );
      for (const row of tiers) assert.deepEqual([row.quiet!.n > 0, row.short !== undefined], [true, short]);
    }
    if (!short) assert.match(pressureText(result, { colours: false }), /NOT made short.*\n.*to mend/);
  });

  it('leaves the machine as it was', () => {
    assert.equal(swaps(), swapsBefore);
    assert.deepEqual(leftInVarTmp(), []);
  });
});

it('without swap, files are dropped instead and the pool stays', async () => {
  const result = await pressure({ swap: false });
  for (const { resident_short = 1 } of result.pools) assert.equal(resident_short, 1);
  assert.deepEqual(leftInVarTmp(), []);
});

it('the bench under pressure ends at an abort, and leaves the machine as it was', async () => {
  const before = swaps();
  const abort = new AbortController();
  const progress = (step: string): void => {
    if (step.startsWith('pool')) abort.abort();
  };
  await assert.rejects(pressure({ signal: abort.signal, progress, blocks: 2 }), { name: 'AbortError' });
  assert.equal(swaps(), before);
});

it('a locked pool that was not looked at promises nothing', async () => {
  const result = { pools: [] } as unknown as PressureResult;
  assert.equal(pressureFigures(result)[0]!.measured, undefined);
});
