/** The curve itself, on the real processes, with a recording so small that it takes seconds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { staticShares } from '../../../../src/evaluation/bench/curve/budgets.ts';
import { curveText } from '../../../../src/evaluation/bench/curve/report.ts';
import { type Curve, type CurveResult, curveResultSchema } from '../../../../src/evaluation/bench/curve/result.ts';
import { runCurve } from '../../../../src/evaluation/bench/curve/run.ts';
import { MIB } from '../../../../src/units.ts';

/** Two bursts on a base, 100 ms apart. */
const USED_MIB = [2, 2, 10, 18, 18, 6, 2, 2, 14, 14, 2, 2];
const RECORDING = {
  name: 'tiny',
  trace: {
    atMicros: Float64Array.from(USED_MIB, (_, index) => index * 100_000),
    usedBytes: Float64Array.from(USED_MIB, (used) => used * MIB),
  },
  truncated: false,
};

async function curve(more: Partial<Parameters<typeof runCurve>[0]> = {}): Promise<CurveResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratchDir = fs.mkdtempSync(path.join(parent, 'memtide-test-'));
  try {
    return await runCurve({
      quick: true,
      scratchDir,
      memoryBytes: 128 * MIB,
      scheduling: { nice: 0 },
      missTarget: 0.01,
      signal: new AbortController().signal,
      progress: () => {},
      recordings: [RECORDING],
      bursts: 20,
      gapMillis: 30, // what was released is there again at the next burst, however busy the machine
      ...more,
    });
  } finally {
    fs.rmSync(scratchDir, { recursive: true, force: true });
  }
}

let result: CurveResult;
let tiny: Curve;
before(async () => {
  result = await curve();
  tiny = result.curves[0]!;
});

test('the document survives JSON and has the documented shape', () => {
  const document: unknown = JSON.parse(JSON.stringify(result));
  assert.deepEqual(JSON.parse(JSON.stringify(curveResultSchema.parse(document))), document);
});

test('every budget is measured on memtide and on the static split, burst by burst', () => {
  assert.ok(tiny.memtide.length >= 3);
  assert.equal(tiny.static_split.length, tiny.memtide.length);
  for (const point of [...tiny.memtide, ...tiny.static_split]) {
    assert.ok(point.n >= 20);
    assert.equal(point.samples.us.length, point.n);
    assert.equal(
      Object.values(point.served_from).reduce((sum, count) => sum + count, 0),
      point.n,
    );
  }
});

test('with nothing set aside the static split refuses all, and memtide serves all from others', () => {
  assert.equal(tiny.static_split[0]!.served_from.refused, tiny.static_split[0]!.n);
  const { served_from, n } = tiny.memtide[0]!;
  assert.equal(served_from.refused, 0);
  assert.ok(served_from.pool! + served_from.donor! > 0);
  assert.equal(served_from.own! + served_from.pool! + served_from.donor!, n);
});

test('with the worst case set aside nobody misses', () => {
  assert.equal(tiny.memtide.at(-1)!.name, 'worst case');
  assert.equal(tiny.memtide.at(-1)!.served_from.refused, 0);
  assert.equal(tiny.static_split.at(-1)!.miss_share, 0);
});

test('the static split that was played holds what its shares say', () => {
  for (const { set_aside_mib, share_mib, idle_mib } of tiny.static_split) {
    assert.deepEqual(share_mib, staticShares(set_aside_mib, [1, 1], 2));
    assert.ok(idle_mib <= set_aside_mib);
  }
});

test('the report shows every budget, the plot and the rule for what does not fit', () => {
  const text = curveText(result, { colours: false });
  for (const { set_aside_mib } of tiny.memtide.slice(1)) assert.match(text, new RegExp(`^${set_aside_mib} MiB`, 'm'));
  assert.match(text, /refused at once and done without/);
  assert.match(text, /● memtide {2}○ static split/);
});

test('the curve ends at an abort', async () => {
  const abort = new AbortController();
  const progress = (step: string): void => {
    if (step.startsWith('tiny')) abort.abort();
  };
  await assert.rejects(curve({ signal: abort.signal, progress }), { name: 'AbortError' });
});
