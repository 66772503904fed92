import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addSamples, measure, pairedGaps, rowsOf, type Samples } from '../../../src/evaluation/bench/measure.ts';
import type { TimedCase } from '../../../src/evaluation/bench/timed-case.ts';

const never = new AbortController().signal;

/** A case that writes down its turns and "takes" what it is told. */
function scripted(name: string, turns: string[] = [], micros: () => number = () => 1): TimedCase {
  return {
    name,
    fits: () => true,
    sample: () => {
      turns.push(name);
      return micros();
    },
  };
}

test('each round runs every case once, in changing order', async () => {
  const turns: string[] = [];
  const cases = ['a', 'b', 'c'].map((name) => scripted(name, turns));
  await measure(cases, 1, 10, never);
  const rounds = Array.from({ length: turns.length / 3 }, (_, at) => turns.slice(3 * at, 3 * at + 3).join(''));
  for (const round of rounds) assert.equal([...round].sort().join(''), 'abc');
  assert.equal(new Set(rounds).size, 6, 'each of the six orders occurs');
});

test('the first rounds are run and not kept, and sizes that do not fit are left out', async () => {
  const turns: string[] = [];
  const large: TimedCase = { ...scripted('large', turns), fits: (bytes) => bytes > 1 };
  const samples = await measure([scripted('a', turns), large], 1, 5, never);
  assert.deepEqual(
    samples.map(({ of, micros }) => [of.name, micros.length]),
    [['a', 5]],
  );
  assert.ok(turns.length > 5);
});

test('a round that gave no sample counts for nothing', async () => {
  let turn = 0;
  const half = scripted('half', [], () => (turn++ % 2 === 0 ? Number.NaN : 7));
  const [row] = rowsOf(await measure([half], 64, 10, never), 64);
  assert.equal(row?.n, 5);
  assert.equal(row?.p50_us, 7);
  const none = scripted('none', [], () => Number.NaN);
  assert.deepEqual(rowsOf(await measure([none], 64, 10, never), 64), []);
});

test('an abort ends the measurement, and cases tidy up', async () => {
  const abort = new AbortController();
  let ended = false;
  const stopping: TimedCase = {
    ...scripted('a', [], () => {
      abort.abort();
      return 1;
    }),
    end: () => {
      ended = true;
    },
  };
  await assert.rejects(measure([stopping], 1, 10, abort.signal), { name: 'AbortError' });
  assert.ok(ended);
});

test('tier 1 is compared with the touch of the same round and cache state', () => {
  const of = (name: string, micros: number[]): Samples => ({
    of: { name, cache: 'cold', fits: () => true, sample: () => 0 },
    micros,
    faults: [],
    stages: [],
  });
  // The machine becomes slower by a thousand in the middle; the last round of tier 1 failed.
  const touch = [100, 100, 100, 1100, 1100, 1100, 1100];
  const all = [
    of('touch-only', touch),
    of('tier1', [102, 102, 102, 1102, 1102, 1102, Number.NaN]),
    of('local-pool', [99, 99, 99, 1099, 1099, 1099, 1099]),
  ];
  assert.deepEqual(pairedGaps(all, 64), [
    { cache: 'cold', bytes: 64, n: 6, p50_us: 2, low_us: 2, high_us: 2, control_us: -1 },
  ]);
});

test('a second run of some of the cases adds to the first', async () => {
  const a = scripted('a');
  const first = await measure([a, scripted('b')], 1, 3, never);
  addSamples(first, await measure([a], 1, 4, never));
  assert.deepEqual(
    first.map(({ micros }) => micros.length),
    [7, 3],
  );
});
