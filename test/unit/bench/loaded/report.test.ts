import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdictOf } from '../../../../src/evaluation/bench/figures.ts';
import { loadedText } from '../../../../src/evaluation/bench/loaded/report.ts';
import { type LoadedResult, loadedFigures } from '../../../../src/evaluation/bench/loaded/result.ts';

const tail = (p999_us: number) => ({ n: 50_000, p50_us: 12, p99_us: 40, p999_us, max_us: 9000 });
const REFUSED = { construct: 'policy', wanted: 'fifo 10', in_force: 'other', refused: 'EPERM', mend: 'raise rtprio' };

const result = (none: number, preferred: number): LoadedResult => ({
  platform: 'linux',
  kind: 'loaded',
  environment: {
    date: '2026-01-01T00:00:00.000Z',
    cpu: 'Cortex-A72',
    cores: 4,
    arch: 'arm64',
    kernel: '6.12',
    node: 'v20.20.2',
    load_1min: 0.1,
    hogs: 4,
    session_groups: true,
    quick: false,
  },
  constructs: [
    { name: 'none', is_default: false, refused: [], handshake_quiet: tail(50), handshake_loaded: tail(none) },
    { name: 'fifo 10', is_default: false, refused: [REFUSED] },
    { name: 'nice -15', is_default: true, refused: [], handshake_loaded: tail(preferred) },
  ],
  tiers: [{ case: 'tier1', bytes: 4 * 2 ** 20, quiet: tail(1), loaded: tail(2) }],
  warnings: [],
});

test('what is promised is the tail under the default constructs against the tail under none', () => {
  const verdict = (preferred: number): string => verdictOf(loadedFigures(result(4000, preferred))[0]!);
  assert.deepEqual([verdict(100), verdict(400), verdict(900)], ['aim', 'met', 'missed']);
});

test('a tail of too few handshakes promises nothing', () => {
  const short = result(4000, 100);
  delete short.constructs[2]!.handshake_loaded!.p999_us;
  assert.equal(verdictOf(loadedFigures(short)[0]!), 'not measured');
});

test('the table says what was refused in its row, and how to mend it once', () => {
  const lines = loadedText(result(4000, 100), { colours: false }).split('\n');
  assert.match(lines.find((line) => line.startsWith('fifo 10'))!, /–.*fifo 10 refused: EPERM$/);
  assert.deepEqual(
    lines.filter((line) => line.includes('to mend')),
    ['! to mend what was refused: raise rtprio'],
  );
  assert.match(lines.find((line) => line.startsWith('none'))!, / 4\.00 ms +9\.00 ms$/);
});
