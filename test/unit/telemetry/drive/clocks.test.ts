import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DriveClocks } from '../../../../src/telemetry/drive/clocks.ts';
import type { DriveMessage } from '../../../../src/telemetry/drive/format.ts';

/** When this boot's monotonic clock was 0, in truth. */
const BOOTED = Date.UTC(2026, 10, 25, 6, 0, 0);
/** What a board believes that has no clock of its own. */
const EPOCH_ERROR = -30 * 365 * 86_400_000;

interface Told {
  readonly boot?: string;
  /** Of the agent's monotonic clock. */
  readonly at: number;
  readonly error?: number;
  readonly synced?: boolean;
  readonly rx?: number;
  readonly historical?: boolean;
}

const message = ({ boot = 'a', at, error = 0, synced, rx, historical }: Told): DriveMessage => ({
  report: 'event/mark',
  domain: 'cluster',
  ...(rx === undefined ? {} : { rxMillis: rx }),
  payload: {
    boot,
    mono_ns: String(Math.round(at * 1e6)),
    ts: new Date(BOOTED + at + error).toISOString(),
    ...(synced === undefined ? {} : { synced }),
    ...(historical ? { historical } : {}),
  },
});

test('what was reported before the clock was right is put right by what the same boot knew later', () => {
  const clocks = new DriveClocks();
  const early = message({ at: 5000, error: EPOCH_ERROR, synced: false });
  const later = message({ at: 90_000, synced: true });
  const stranger = message({ boot: 'b', at: 5000, error: EPOCH_ERROR, synced: false });
  for (const each of [early, later, stranger]) clocks.noteMessage(each);
  assert.deepEqual(clocks.timeOf(early.payload), { wallMillis: BOOTED + 5000, by: 'boot' });
  assert.deepEqual(clocks.timeOf(later.payload), { wallMillis: BOOTED + 90_000, by: 'own' });
  assert.deepEqual(
    clocks.timeOf(stranger.payload),
    { wallMillis: BOOTED + 5000 + EPOCH_ERROR, by: 'none' },
    'monotonic times of two boots have nothing to do with each other',
  );
});

test('a boot that never knew the time is put right by the recorder, at the message that came soonest', () => {
  const clocks = new DriveClocks();
  clocks.noteHeader('recorder');
  // The recorder's monotonic clock is an hour ahead of the agent's.
  const shift = 3_600_000;
  const all = [
    message({ at: 1000, error: EPOCH_ERROR, synced: false, rx: 1000 + shift + 80 }),
    message({ at: 2000, error: EPOCH_ERROR, synced: false, rx: 2000 + shift + 3 }),
    // Of hours ago: says nothing about now.
    message({ at: 500, error: EPOCH_ERROR, synced: false, rx: 500 + shift + 7_000_000, historical: true }),
  ];
  for (const each of all) clocks.noteMessage(each);
  assert.equal(clocks.timeOf(all[0]!.payload)?.by, 'none', 'the recorder does not know either, yet');
  clocks.noteClock({ monoMillis: 4000 + shift, wallMillis: BOOTED + EPOCH_ERROR, synced: false });
  assert.equal(clocks.timeOf(all[0]!.payload)?.by, 'none');
  clocks.noteClock({ monoMillis: 5000 + shift, wallMillis: BOOTED + 5000, synced: true });
  for (const [i, at] of [1000, 2000, 500].entries()) {
    assert.deepEqual(clocks.timeOf(all[i]!.payload), { wallMillis: BOOTED + at + 3, by: 'recorder' });
  }
});

test('a recorder on the machine of the agent knows what its boot knows', () => {
  const clocks = new DriveClocks();
  clocks.noteHeader('a');
  const early = message({ at: 5000, error: EPOCH_ERROR, synced: false, rx: 5001 });
  clocks.noteMessage(early);
  clocks.noteClock({ monoMillis: 60_000, wallMillis: BOOTED + 60_000, synced: true });
  assert.deepEqual(clocks.timeOf(early.payload), { wallMillis: BOOTED + 5000, by: 'boot' });
});

test('a last will bears no time', () => {
  assert.equal(new DriveClocks().timeOf({ v: 1, status: 'offline', boot: 'a' }), undefined);
});

test('however a clock is stepped and slewed, a boot that once was right is right to some milliseconds', () => {
  const moments = fc.array(
    fc.record({ gap: fc.double({ min: 0.1, max: 600_000, noNaN: true }), jump: fc.integer({ min: -1e9, max: 1e9 }) }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(moments, fc.nat({ max: 39 }), fc.double({ min: -50, max: 50, noNaN: true }), (gaps, right, ppm) => {
      const clocks = new DriveClocks();
      let at = 0;
      const all = gaps.map(({ gap, jump }, i) => {
        at += gap;
        const synced = i === right % gaps.length;
        // The crystal is off by so much: what a boot knew hours away is off by that much.
        const drift = (at * ppm) / 1e6;
        return { at, drift, each: message({ at, error: synced ? drift : jump, synced }) };
      });
      for (const { each } of all) clocks.noteMessage(each);
      const anchor = all[right % gaps.length]!;
      for (const { at: when, each } of all) {
        const { wallMillis, by } = clocks.timeOf(each.payload)!;
        assert.equal(by, each === anchor.each ? 'own' : 'boot');
        assert.ok(Math.abs(wallMillis - (BOOTED + when + anchor.drift)) < 2, `${wallMillis - BOOTED - when} ms`);
      }
    }),
  );
});
