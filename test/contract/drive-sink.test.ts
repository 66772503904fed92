/**
 * From an agent with a spool and a wrong clock, through a broker that goes away, to a drive on disk and a CSV of it: with every
 * broker that memtide is to work with.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import mqtt from 'mqtt';
import { type Clock, systemClock } from '../../src/clock.ts';
import { driveExportCommand, driveListCommand } from '../../src/commands/drive.ts';
import { type DriveEntry, readDrive } from '../../src/telemetry/drive/read.ts';
import { DriveRecorder } from '../../src/telemetry/drive/recorder.ts';
import { DriveSink } from '../../src/telemetry/drive/sink.ts';
import { Publisher } from '../../src/telemetry/publisher.ts';
import { Reporter } from '../../src/telemetry/reporter.ts';
import { openSpool } from '../../src/telemetry/spool/open-spool.ts';
import { Stamper } from '../../src/telemetry/stamp.ts';
import { MIB } from '../../src/units.ts';
import { fakeIo } from '../fakes/io.ts';
import { brokers, freePort } from './brokers.ts';

const BOOT = '0f0e0d0c-0000-4000-8000-000000000000';
/** What a board believes that has no clock of its own: that it is thirty years ago. */
const ERROR_MILLIS = -30 * 365 * 86_400_000;

async function until(wanted: () => boolean): Promise<void> {
  while (!wanted()) await wait(10);
}

for (const { name, protocolVersion, make } of brokers) {
  describe(`drives: ${name}`, {
    skip: make ? false : 'mosquitto is neither on PATH nor in /usr/sbin',
    timeout: 120_000,
  }, () => {
    const undo: Array<() => Promise<unknown>> = [];
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step();
    });

    test('everything arrives once, is confirmed, and is exported with the times that it was', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'memtide-sink-'));
      undo.push(() => rm(folder, { recursive: true, force: true }));
      const port = await freePort();
      const url = `mqtt://127.0.0.1:${port}`;
      const broker = make!();
      undo.push(() => broker.stop());

      let error = ERROR_MILLIS;
      const clock: Clock = { ...systemClock, wallMillis: () => Date.now() + error };
      const stamper = new Stamper({ clock, bootId: BOOT, readSyncState: () => ({ known: true, synced: error === 0 }) });
      const spool = await openSpool({
        folder: join(folder, 'spool'),
        clock,
        bootId: BOOT,
        stamp: () => stamper.stamp('event/gap'),
        capBytes: 16 * MIB,
        syncMillis: 20,
        drainHz: 10_000,
        resendMillis: 200,
      });
      undo.push(() => spool.stop());
      const publisher = new Publisher({
        owner: { base: 'memtide', vehicle: 'car-7', domain: 'cluster' },
        url,
        protocolVersion,
        keepaliveSeconds: 20,
        clock,
        stamper,
        birth: { memtide: '0.1.0', node: process.version, kernel: '6.1.0', arch: process.arch, mode: 'hypervisor' },
        reconnectMillis: 20,
        spool: spool.feed,
      });
      undo.push(() => publisher.stop());
      const reporter = new Reporter(stamper, [publisher]);
      const truth = new Map<string, number>();
      const report = (from: number, to: number): void => {
        for (let i = from; i <= to; i++) {
          truth.set(String(i), Date.now());
          reporter.mark('gpio', String(i));
        }
      };
      const recorder = new DriveRecorder({
        folder: join(folder, 'drives'),
        clock: systemClock,
        bootId: 'of-the-recorder',
        readSyncState: () => ({ known: true, synced: false }),
        recorder: 'memtide test',
        confirmMillis: 50,
      });
      await recorder.start();
      const sink = new DriveSink({
        recorder,
        url,
        base: 'memtide',
        protocolVersion,
        keepaliveSeconds: 20,
        flushMillis: 20,
      });
      await sink.start();
      undo.push(() => sink.stop());

      await publisher.start();
      report(1, 50);
      await broker.start(port);
      await until(() => sink.status().connected && spool.feed.status().unsent === 0);
      report(51, 100);
      await broker.stop();
      report(101, 150);
      await broker.start(port);
      // From here on, the agent knows the time.
      error = 0;
      await until(() => {
        const sync = stamper.syncState();
        return sync.known && sync.synced;
      });
      report(151, 200);
      await until(() => spool.feed.status().unconfirmed === 0);
      assert.equal(spool.feed.status().watermark, 200);
      const intruder = await mqtt.connectAsync(url, { protocolVersion });
      await intruder.publishAsync('memtide/car-7/cluster/event/mark', '{"v":1,"source":"=HYPERLINK"}', { qos: 1 });
      await until(() => sink.status().invalid === 1);
      await intruder.endAsync();
      await sink.stop();

      const names = (await readdir(join(folder, 'drives'))).filter((each) => each.endsWith('.jsonl'));
      const entries: DriveEntry[] = [];
      for (const each of names) {
        await readDrive(join(folder, 'drives', each), (entry) => {
          if (entry.report === 'event/mark') entries.push(entry);
        });
      }
      assert.deepEqual(
        entries.map(({ payload }) => Number(payload.label)).sort((a, b) => a - b),
        Array.from({ length: 200 }, (_, i) => i + 1),
      );

      const io = fakeIo({ cwd: folder });
      await driveListCommand({ dir: 'drives', json: true }, io);
      const listed = JSON.parse(io.written()) as ReadonlyArray<Record<string, unknown>>;
      assert.equal(
        listed.reduce((sum, { marks }) => sum + Number(marks), 0),
        200,
      );
      assert.deepEqual([listed[0]!.vehicle, listed[0]!.domains, listed[0]!.lost], ['car-7', ['cluster'], 0]);

      const live = names.find((each) => !each.includes('-late'))!;
      const out = fakeIo({ cwd: join(folder, 'drives') });
      await driveExportCommand({ file: live, report: 'event/mark' }, out);
      const [head = '', ...rows] = out.written().trimEnd().split('\n');
      const [time, by, label] = ['time', 'time_by', 'label'].map((column) => head.split(',').indexOf(column));
      assert.ok(rows.length > 50);
      const sources = new Set<string>();
      for (const row of rows) {
        const cells = row.split(',');
        sources.add(cells[by!]!);
        const off = Date.parse(cells[time!]!) - truth.get(cells[label!]!)!;
        assert.ok(Math.abs(off) < 60_000, `${row} is off by ${off} ms`);
      }
      assert.deepEqual([...sources].sort(), ['boot', 'own']);
    });
  });
}
