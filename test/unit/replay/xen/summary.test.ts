import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replayStudyText } from '../../../../src/evaluation/replay/xen/report.ts';
import type { GuestRow, PlayRow, ReplayStudyResult } from '../../../../src/evaluation/replay/xen/result.ts';
import { boundsOf, summarizePlays } from '../../../../src/evaluation/replay/xen/summary.ts';
import { MIB } from '../../../../src/units.ts';

const row = (guest: string, figures: Partial<GuestRow> = {}): GuestRow => ({
  guest,
  psi_some_us: 0,
  psi_full_us: 0,
  oom_kills: 0,
  kills: 0,
  requests: 10,
  found: 10,
  short: 0,
  lost: 0,
  late_steps: 0,
  latest_us: 0,
  writing_us: 0,
  longest_write_us: 0,
  least_available_bytes: 0,
  mean_held_bytes: 250 * MIB,
  held_at_end_bytes: 250 * MIB,
  cap_at_end_bytes: undefined,
  ...figures,
});
const play = (rival: string, round: number, ...guests: GuestRow[]): PlayRow => ({
  rival,
  round,
  guests,
  free_at_end_bytes: 0,
  counts: {},
});

const PLAYS: PlayRow[] = [
  play('static split', 0, row('a', { oom_kills: 2, kills: 2, found: 7, short: 1, lost: 2 }), row('b')),
  play('qmemman-like', 0, row('a', { psi_some_us: 300_000 }), row('b', { psi_some_us: 100_000, latest_us: 9 })),
  play('memtide', 0, row('a', { psi_some_us: 50_000 }), row('b', { latest_us: 4 })),
  play('memtide', 1, row('a', { psi_some_us: 150_000 }), row('b')),
  play(
    'memtide',
    2,
    row('a', { psi_some_us: 90_000, latest_us: 7 }),
    row('b', { psi_some_us: 10_000, short: 5, found: 5 }),
  ),
];

function resultOf(plays: readonly PlayRow[]): ReplayStudyResult {
  const rivals = summarizePlays(plays);
  return {
    platform: 'xen',
    environment: {
      ...{ date: '2026-11-25', cpu: 'emulated', kernel: '6.12', node: 'v20', load_1min: 1 },
      ...{ total_bytes: 512 * MIB, floor_bytes: 128 * MIB, boot_bytes: 384 * MIB, peak_bytes: 200 * MIB },
      ...{ slot_s: 20, play_s: 67, recordings: ['one', 'two'], rounds: 3, own_bytes: { a: 76 * MIB } },
      ...{ peaks_bytes: 552 * MIB, together_bytes: 420 * MIB },
    },
    rivals,
    bounds: boundsOf(rivals),
    plays,
  };
}

test('stalls are added up over the guests, and the median of the rounds counts; kills and misses all count', () => {
  const [split, qmemman, memtide] = summarizePlays(PLAYS);
  assert.deepEqual([split!.n, split!.oom_kills, split!.hit_rate], [1, 2, 0.85]);
  assert.deepEqual([qmemman!.psi_some_us, qmemman!.latest_us, qmemman!.mean_held_bytes], [400_000, 9, 500 * MIB]);
  assert.deepEqual([memtide!.n, memtide!.psi_some_us, memtide!.latest_us], [3, 100_000, 4]);
  assert.equal(memtide!.hit_rate, 55 / 60);
});

test('what is promised: no kill where the static split kills, half of qmemman-like’s stall', () => {
  const bounds = boundsOf(summarizePlays(PLAYS));
  assert.deepEqual(
    bounds.map(({ measured, most, met }) => [measured, most, met]),
    [
      [0, 0, true],
      [0.25, 0.5, true],
    ],
  );
});

test('a bound is missed by a kill, and by stalls where the other had none', () => {
  const worse = [
    ...PLAYS.slice(0, 1),
    play('qmemman-like', 0, row('a')),
    play('memtide', 0, row('a', { oom_kills: 1, psi_some_us: 5 })),
  ];
  assert.deepEqual(
    boundsOf(summarizePlays(worse)).map(({ met }) => met),
    [false, false],
  );
});

test('some stall against none at all is a miss without a ratio, and the report and its JSON say so', () => {
  const plays = [play('qmemman-like', 0, row('a')), play('memtide', 0, row('a', { psi_some_us: 5 }))];
  const [bound] = boundsOf(summarizePlays(plays));
  assert.deepEqual([bound!.measured, bound!.met], [undefined, false]);
  const { rivals, ...rest } = resultOf(plays);
  const text = replayStudyText(JSON.parse(JSON.stringify({ rivals, ...rest })) as ReplayStudyResult);
  assert.match(text, /✘ stall .*: more than none; at most 0\.5 is promised: missed/);
});

test('nothing is promised against a rival that was not played, or that killed nobody', () => {
  assert.deepEqual(boundsOf(summarizePlays([play('static split', 0, row('a')), play('memtide', 0, row('a'))])), []);
});

test('the report names the figures, every play, what is promised, and that times are emulated', () => {
  const text = replayStudyText(resultOf(PLAYS));
  for (const said of [
    /emulated/,
    /reserve hit rate +85\.0 % +100\.0 % +91\.7 %/,
    /memtide 3/,
    /✔ kills/,
    /0\.25; at most 0\.5/,
  ])
    assert.match(text, said);
  assert.ok(text.split('\n').every((line) => line.length <= 140));
});
