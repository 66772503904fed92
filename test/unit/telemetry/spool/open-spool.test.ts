import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../../src/clock.ts';
import { type OpenSpoolOptions, openSpool } from '../../../../src/telemetry/spool/open-spool.ts';
import { MIB } from '../../../../src/units.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'memtide-spool-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function opened(folder: string, options: Partial<OpenSpoolOptions> = {}) {
  return openSpool({
    folder,
    clock: systemClock,
    bootId: 'boot',
    stamp: () => ({ v: 1, seq: 0, boot: 'boot', mono_ns: '1', ts: '2026-01-01T00:00:00.000Z' }),
    capBytes: MIB,
    syncMillis: 10,
    drainHz: 100,
    ...options,
  });
}

test('a folder has one user at a time', async (t) => {
  const folder = join(await folderFor(t), 'deep', 'spool');
  const first = await opened(folder);
  await assert.rejects(opened(folder), /another process has it open[\s\S]*spool\.dir/);
  await first.stop();
  const second = await opened(folder);
  await first.stop();
  await assert.rejects(opened(folder), /another process has it open/, 'a second stop lets go of nothing of others');
  await second.stop();
});

test('what was appended is acknowledged once it is synced, and is there the next time', async (t) => {
  const folder = await folderFor(t);
  let onAcknowledged: (seq: number) => void = () => {};
  const acknowledged = new Promise<number>((resolve) => {
    onAcknowledged = resolve;
  });
  const first = await opened(folder, { onAcknowledged });
  assert.equal(first.feed.keep('event/mark', { label: 'a' }), 1);
  // The spool's own timer keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.after(() => clearInterval(alive));
  assert.equal(await acknowledged, 1);
  await first.stop();
  const second = await opened(folder);
  assert.deepEqual(
    [second.feed.status().unsent, second.feed.keep('event/mark', { label: 'b' })],
    [1, 2],
    'after an orderly end the numbers go on',
  );
  await second.stop();
});

test('a cursor that was being replaced when the power went is taken from before', async (t) => {
  const folder = await folderFor(t);
  const first = await opened(folder);
  first.feed.keep('event/mark', {});
  await first.stop();
  const { id } = first.feed.status();
  await rename(join(folder, 'cursor'), join(folder, 'cursor.bak'));
  await writeFile(join(folder, 'cursor.tmp'), '');
  const second = await opened(folder);
  assert.deepEqual([second.feed.status().id, second.feed.status().unsent], [id, 1]);
  await second.stop();
});

test('a segment cut off is mended, and the next opening finds it whole', async (t) => {
  const folder = await folderFor(t);
  const first = await opened(folder);
  for (let i = 0; i < 10; i++) first.feed.keep('event/mark', { i });
  await first.stop();
  const name = (await readdir(folder)).find((each) => each.endsWith('.segment'))!;
  await truncate(join(folder, name), (await readFile(join(folder, name))).length - 5);
  const second = await opened(folder, { bootId: 'next' });
  const { unsent, damaged_bytes } = second.feed.status();
  await second.stop();
  // Nine messages, and the gap record that says that numbers were left out.
  assert.deepEqual([unsent, damaged_bytes], [10, 0]);
  const third = await opened(folder, { bootId: 'next' });
  assert.equal(third.feed.status().unsent, 10);
  await third.stop();
});

test('a folder that cannot be written is said, with the key to correct', async (t) => {
  const folder = await folderFor(t);
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(opened(join(folder, 'file', 'spool')), /cannot open the spool[\s\S]*ENOTDIR[\s\S]*spool\.dir/);
});
