import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { VirtualClock } from '../../../../src/clock.ts';
import { SpoolFeed } from '../../../../src/telemetry/spool/feed.ts';
import { Spool } from '../../../../src/telemetry/spool/spool.ts';
import { MIB } from '../../../../src/units.ts';
import { FaultyDisk } from './faulty-disk.ts';

async function opened(drainHz = 100) {
  const clock = new VirtualClock(1e6);
  const disk = new FaultyDisk();
  const timers: Array<() => void> = [];
  let feed: SpoolFeed | undefined;
  const spool = new Spool({
    disk,
    clock,
    bootId: 'boot',
    newId: () => '00112233445566aa',
    stamp: () => ({ v: 1, seq: 0, boot: 'boot', mono_ns: '1', ts: '2026-01-01T00:00:00.000Z' }),
    capBytes: MIB,
    onWritten: (records) => feed?.written(records),
  });
  await spool.start();
  feed = new SpoolFeed({ spool, clock, drainHz, after: (_, callback) => timers.push(callback) });
  return { clock, disk, spool, feed, timers };
}

type Opened = Awaited<ReturnType<typeof opened>>;

async function keep({ feed, spool }: Opened, ...names: string[]): Promise<void> {
  for (const name of names) feed.keep('event/mark', { name });
  await spool.flush();
}

/** All that goes out without time passing, and is acknowledged. */
async function sent({ feed }: Opened): Promise<string[]> {
  const names: string[] = [];
  for (let idle = 0; idle < 5; ) {
    const record = feed.next();
    if (record) {
      const { name, historical } = JSON.parse(record.content);
      names.push(historical ? `${name}, historical` : name);
      feed.delivered(record.seq);
      idle = 0;
    } else {
      idle++;
      await nextTurn();
    }
  }
  return names;
}

test('what was reported without a connection comes behind what is live, in order and marked', async () => {
  const all = await opened();
  await keep(all, 'a', 'b');
  assert.deepEqual(await sent(all), []);
  all.feed.connect(() => {});
  await nextTurn();
  await keep(all, 'c');
  assert.equal(JSON.parse(all.feed.next()!.content).name, 'c');
  await keep(all, 'd');
  assert.deepEqual(await sent(all), ['d', 'a, historical', 'b, historical']);
});

test('the backlog goes out at its rate, and live records do not wait for it', async () => {
  const all = await opened(100);
  await keep(all, ...Array.from({ length: 100 }, (_, i) => `old ${i}`));
  let woken = 0;
  all.feed.connect(() => {
    woken++;
  });
  assert.equal((await sent(all)).length, 32, 'a handful at once');
  await keep(all, 'live');
  assert.deepEqual(await sent(all), ['live']);
  all.clock.advanceMicros(100_000);
  const before = woken;
  for (const timer of all.timers.splice(0)) timer();
  assert.ok(woken > before, 'the uplink is told when there is more');
  assert.equal((await sent(all)).length, 10);
});

test('what was not taken before a connection ended is history on the next; what is under way is not sent twice', async () => {
  const all = await opened();
  all.feed.connect(() => {});
  await keep(all, 'a', 'b', 'c');
  const underWay = all.feed.next()!;
  all.feed.disconnect();
  assert.equal(all.feed.next(), undefined);
  all.feed.connect(() => {});
  assert.deepEqual(await sent(all), ['b, historical', 'c, historical']);
  all.feed.delivered(underWay.seq);
  assert.equal(all.feed.status().unsent, 0);
});

test('what was under way when its client went is sent again', async () => {
  const all = await opened();
  all.feed.connect(() => {});
  await keep(all, 'a');
  all.feed.next();
  all.feed.release();
  all.feed.connect(() => {});
  assert.deepEqual(await sent(all), ['a, historical']);
});

test('what a broker refuses stays, and is not tried again at once', async () => {
  const all = await opened();
  all.feed.connect(() => {});
  await keep(all, 'a');
  all.feed.refused(all.feed.next()!.seq);
  assert.deepEqual(await sent(all), []);
  all.clock.advanceMicros(6_000_000);
  assert.deepEqual(await sent(all), ['a, historical']);
});

test('a part of the disk that cannot be read is told, and the rest goes on', async () => {
  const all = await opened(100_000);
  for (let i = 0; i < 12; i++)
    await keep(all, ...Array.from({ length: 100 }, (_, n) => `${i} ${n} ${'x'.repeat(100)}`));
  let reads = 0;
  all.disk.fault = (step) => (step === 'read' && reads++ === 0 ? 'EIO' : undefined);
  all.feed.connect(() => {});
  const names: string[] = [];
  for (let round = 0; round < 80; round++) {
    names.push(...(await sent(all)));
    all.clock.advanceMicros(6_000_000);
    await all.spool.flush();
  }
  const { dropped, gaps, unsent } = all.feed.status();
  assert.deepEqual([gaps, unsent], [1, 0]);
  assert.equal(names.length, 1200 - dropped + 1, 'all others, and the gap record');
  assert.ok(dropped > 100 && dropped < 600, `${dropped}`);
});

test('nonsense on the watermark’s topic changes nothing and is counted', async () => {
  const all = await opened();
  await keep(all, 'a');
  for (const text of ['', '[]', '{"spool":"00112233445566aa","watermark":2}', '{"spool":"x","watermark":1}']) {
    all.feed.hear(Buffer.from(text));
  }
  const { bad_watermarks, watermark, has_sink } = all.feed.status();
  assert.deepEqual([bad_watermarks, watermark, has_sink], [4, 0, false]);
});
