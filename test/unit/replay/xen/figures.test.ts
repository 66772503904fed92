import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsBetween, readCounts, readFigures } from '../../../../src/evaluation/replay/xen/figures.ts';
import { MIB } from '../../../../src/units.ts';

test('a request found its memory, was short of it, or was lost with the program', () => {
  const outcome = readFigures(
    [
      'take 0 0 8388608 8192 1000 40000', // 8 MiB, just there
      'take 10 1 8388608 8191 99000 70000', // a KiB less
      'give 20 0 100001',
      'killed 31 2 16777216',
      'killed 35 3 0', // between two steps
      'take 40 4 1048576 900000 250000 5000',
      'end 50 3',
      '',
    ].join('\n'),
  );
  assert.deepEqual(outcome, {
    found: 2,
    short: 1,
    lost: 1,
    kills: 2,
    lateSteps: 2,
    latestMicros: 250_000,
    writingMicros: 115_000,
    longestWriteMicros: 70_000,
    leastAvailableBytes: 8191 * 1024,
  });
  assert.equal(outcome.leastAvailableBytes < 8 * MIB, true);
});

test('figures without an end are not taken for a whole play', () => {
  assert.throws(() => readFigures('take 0 0 8388608 8192 1000 40000\n'), /a last line: end/);
});

const kernel = (some: number, full: number, kills: number): string =>
  [
    `some avg10=0.00 avg60=0.00 avg300=0.00 total=${some}`,
    `full avg10=0.00 avg60=0.00 avg300=0.00 total=${full}`,
    `oom_kill ${kills}`,
  ].join('\n');

test('stalls and kills are those between two readings', () => {
  const between = countsBetween(readCounts(kernel(100, 10, 1)), readCounts(kernel(350, 30, 3)));
  assert.deepEqual(between, { someMicros: 250, fullMicros: 20, oomKills: 2 });
});

test('a guest without stall information is told how to have it', () => {
  assert.throws(() => readCounts('cat: /proc/pressure/memory: No such file or directory'), /psi=1/);
});
