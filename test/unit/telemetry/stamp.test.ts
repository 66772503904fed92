import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { adjtimexReader, type SyncState } from '../../../src/telemetry/clock-sync.ts';
import { REPORT_SCHEMAS } from '../../../src/telemetry/schema.ts';
import { readBootId, Stamper } from '../../../src/telemetry/stamp.ts';
import { micros } from '../../../src/units.ts';

const DAY_MICROS = 86_400e6;

test('the instant of the record is stamped, not that of the message, by both clocks', () => {
  const clock = new VirtualClock(5_000_000, Date.UTC(2026, 0, 2));
  const stamper = new Stamper({ clock, bootId: 'b', readSyncState: () => ({ known: true, synced: true }) });
  const { mono_ns, ts, synced } = stamper.stamp('event/burst', micros(4_750_000.5));
  assert.deepEqual([mono_ns, ts, synced], ['4750000500', '2026-01-01T23:59:59.750Z', true]);
});

test('monotonic time stays exact to the digit after more uptime than 2^53 ns', () => {
  const clock = new VirtualClock(200 * DAY_MICROS, 0);
  const stamper = new Stamper({ clock, bootId: 'b', readSyncState: () => ({ known: false, reason: 'test' }) });
  const first = stamper.stamp('tele/mem').mono_ns;
  clock.advanceMicros(1);
  const second = stamper.stamp('tele/mem').mono_ns;
  assert.equal(BigInt(second) - BigInt(first), 1000n);
  assert.ok(BigInt(first) > 2n ** 53n);
});

test('each topic counts for itself', () => {
  const stamper = new Stamper({
    clock: new VirtualClock(),
    bootId: 'b',
    readSyncState: () => ({ known: true, synced: true }),
  });
  assert.deepEqual(
    [stamper.stamp('tele/mem'), stamper.stamp('tele/psi'), stamper.stamp('tele/mem')].map(({ seq }) => seq),
    [0, 0, 1],
  );
});

test('the synchronisation state is asked for once a second, and absent when the kernel does not say', () => {
  const clock = new VirtualClock();
  const answers: SyncState[] = [
    { known: true, synced: false },
    { known: false, reason: 'refused' },
  ];
  const stamper = new Stamper({ clock, bootId: 'b', readSyncState: () => answers.shift()! });
  assert.equal(stamper.stamp('tele/mem').synced, false);
  assert.equal(stamper.stamp('tele/mem').synced, false);
  clock.advanceMicros(1_000_000);
  const later = stamper.stamp('tele/mem');
  assert.equal('synced' in later, false);
  assert.deepEqual(stamper.syncState(), { known: false, reason: 'refused' });
  assert.equal(REPORT_SCHEMAS['event/mark'].safeParse({ ...later, source: 'gpio' }).success, true);
});

test('the boot id is the kernel’s, and one of our own, marked as such, where there is none', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'memtide-proc-'));
  t.after(() => rm(root, { recursive: true }));
  assert.match(readBootId(root).madeUp ?? '', /boot_id: ENOENT$/);
  assert.match(readBootId(root).id, /^process-[0-9a-f-]{36}$/);
  await mkdir(join(root, 'sys/kernel/random'), { recursive: true });
  const file = join(root, 'sys/kernel/random/boot_id');
  await writeFile(file, '8d2d4f2e-5f63-4d2c-9f51-6a0c7c3d8b11\n');
  assert.deepEqual(readBootId(root), { id: '8d2d4f2e-5f63-4d2c-9f51-6a0c7c3d8b11' });
  await writeFile(file, 'garbage');
  assert.match(readBootId(root).madeUp ?? '', /holds no boot id/);
});

test('the running kernel answers, or the reason is given', () => {
  const state = adjtimexReader()();
  assert.ok(state.known ? typeof state.synced === 'boolean' : state.reason.length > 0);
});
