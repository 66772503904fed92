/**
 * One suite for every broker that memtide is to work with: the embedded one (MQTT 3.1.1), and mosquitto where it is
 * installed (3.1.1 and 5). The observer is MQTT.js' own client, used plainly, so that what is checked is what another
 * program would see.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { z } from 'zod';
import { systemClock } from '../../src/clock.ts';
import type { BurstRecord, PressureSample } from '../../src/records.ts';
import { command } from '../../src/telemetry/commands.ts';
import { OutgoingQueue, QUEUE_LIMITS } from '../../src/telemetry/outgoing-queue.ts';
import { Publisher } from '../../src/telemetry/publisher.ts';
import { Reporter } from '../../src/telemetry/reporter.ts';
import { openSpool } from '../../src/telemetry/spool/open-spool.ts';
import { Stamper } from '../../src/telemetry/stamp.ts';
import { parseTopic } from '../../src/telemetry/topics.ts';
import type { PublisherOptions, UplinkEvent } from '../../src/telemetry/uplink.ts';
import { burstRecordOf, pressureSampleOf } from '../../src/telemetry/wire.ts';
import { readReport } from '../../src/telemetry/wire-read.ts';
import { bytes, micros } from '../../src/units.ts';
import { type Broker, brokers, freePort } from './brokers.ts';

/** Passes bytes between a client and the broker, and can cut them off as a pulled cable or a killed process does. */
class Wire {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  port = 0;

  constructor(brokerPort: number) {
    this.#server = createServer((near) => {
      const far = connectTcp(brokerPort, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    });
  }

  /** Listens, on the same port each time. */
  async open(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as { port: number }).port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** Passes nothing on, and ends nothing: a broker that hangs. */
  freeze(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** Refuses connections from now on, and ends those that stand. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }
}

/** Subscribes to everything and lets a test wait for the message it is about. */
class Observer {
  readonly #client: MqttClient;
  readonly seen: Array<{ topic: string; content: Buffer; retain: boolean }> = [];
  #changed: (() => void) | undefined;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (topic, content, { retain }) => {
      this.seen.push({ topic, content, retain });
      this.#changed?.();
    });
  }

  static async join(port: number, protocolVersion: 4 | 5): Promise<Observer> {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion, reconnectPeriod: 0 });
    const observer = new Observer(client);
    await client.subscribeAsync('#', { qos: 1 });
    return observer;
  }

  /** The first message, past or to come, that `wanted` accepts. */
  async message(leaf: string, wanted: (payload: Record<string, unknown>, retain: boolean) => boolean = () => true) {
    for (;;) {
      for (const { topic, content, retain } of this.seen) {
        if (parseTopic('memtide', topic)?.leaf !== leaf) continue;
        const payload = JSON.parse(content.toString());
        if (wanted(payload, retain)) return { topic, content, payload, retain };
      }
      await new Promise<void>((changed) => {
        this.#changed = changed;
      });
    }
  }

  async send(leaf: string, content: string, retain = false): Promise<void> {
    await this.#client.publishAsync(`memtide/car-7/cluster/${leaf}`, content, { qos: 1, retain });
  }

  leave(): Promise<void> {
    return this.#client.endAsync(true);
  }
}

/** Collects the events of a publisher and waits for one. */
class Events {
  readonly all: UplinkEvent[] = [];
  #changed: (() => void) | undefined;
  #taken = 0;

  readonly hear = (event: UplinkEvent): void => {
    this.all.push(event);
    this.#changed?.();
  };

  /** The next event of this kind that was not waited for before. */
  async next(kind: UplinkEvent['kind']): Promise<UplinkEvent> {
    for (;;) {
      while (this.#taken < this.all.length) {
        const event = this.all[this.#taken++];
        if (event?.kind === kind) return event;
      }
      await new Promise<void>((changed) => {
        this.#changed = changed;
      });
    }
  }
}

function resolvable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

const sample: PressureSample = {
  atMicros: micros(5_000_000),
  scope: 'domain',
  usedBytes: bytes(40 * 1024 * 1024),
  limitBytes: bytes(64 * 1024 * 1024),
  psi: { someAvg10Percent: 1.5, fullAvg10Percent: 0.25, someTotalMicros: 1200, fullTotalMicros: 300 },
  missing: [{ source: 'vmstat', reason: 'EACCES: permission denied' }],
};

const burst: BurstRecord = {
  id: 'cluster-1',
  domain: 'cluster',
  atMicros: micros(6_000_000),
  requestedBytes: bytes(4_194_304),
  tierBytes: { reserve: 2_097_152, pool: 2_097_152, peer: 0 },
  mode: 'hypervisor',
  outcome: 'served',
  stages: { populateMicros: 12.5, touchMicros: 90.25 },
  totalMicros: 110,
  idleBytes: bytes(8_388_608),
  probe: { kind: 'measured', freshMicros: 2100, bestMicros: 88, bestWay: 'warm' },
};

for (const { name, protocolVersion, make } of brokers) {
  describe(`uplink: ${name}`, {
    skip: make ? false : 'mosquitto is neither on PATH nor in /usr/sbin',
    // Not a claim: a message that never comes should fail its test rather than hang the run.
    timeout: 120_000,
  }, () => {
    const undo: Array<() => Promise<unknown>> = [];
    let broker: Broker;
    let port: number;

    before(async () => {
      broker = make!();
      port = await freePort();
      await broker.start(port);
    });
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step();
      // A test leaves nothing retained behind.
      await broker.stop();
      await broker.start(port);
    });
    after(() => broker.stop());

    function publisher(options: Partial<PublisherOptions> = {}) {
      const events = new Events();
      const stamper = new Stamper({
        clock: systemClock,
        bootId: '0f0e0d0c-0000-4000-8000-000000000000',
        readSyncState: () => ({ known: true, synced: false }),
      });
      const made = new Publisher({
        owner: { base: 'memtide', vehicle: 'car-7', domain: 'cluster' },
        url: `mqtt://127.0.0.1:${port}`,
        protocolVersion,
        clock: systemClock,
        keepaliveSeconds: 20,
        stamper,
        birth: { memtide: '0.1.0', node: process.version, kernel: '6.1.0', arch: process.arch, mode: 'hypervisor' },
        onEvent: events.hear,
        reconnectMillis: 20,
        random: () => 0,
        ...options,
      });
      undo.push(() => made.stop());
      return { publisher: made, events, reporter: new Reporter(stamper, [made]) };
    }

    async function wired(): Promise<Wire> {
      const wire = new Wire(port);
      await wire.open();
      undo.push(() => wire.close());
      return wire;
    }

    async function observer(): Promise<Observer> {
      const joined = await Observer.join(port, protocolVersion);
      undo.push(() => joined.leave());
      return joined;
    }

    test('who comes later still sees the birth and the state, because both are retained', async () => {
      const { publisher: uplink, events } = publisher();
      await uplink.start();
      await events.next('connected');
      const first = await observer();
      await first.message('info');
      await first.message('state', ({ status }) => status === 'online');
      const later = await observer();
      const info = await later.message('info', (_, retain) => retain);
      assert.equal(info.topic, 'memtide/car-7/cluster/info');
      assert.equal(info.payload.mode, 'hypervisor');
      assert.equal(readReport('info', info.content).ok, true);
      const state = await later.message('state', (_, retain) => retain);
      assert.equal(state.payload.status, 'online');
      assert.equal(readReport('state', state.content).ok, true);
    });

    test('an abrupt disconnect leaves the last will, retained, without a time that it cannot know', async () => {
      const wire = await wired();
      const watching = await observer();
      const { publisher: uplink, events } = publisher({
        url: `mqtt://127.0.0.1:${wire.port}`,
        reconnectMillis: 30_000,
      });
      await uplink.start();
      await events.next('connected');
      await watching.message('state', ({ status }) => status === 'online');
      wire.cut();
      const will = await watching.message('state', ({ status }) => status === 'offline');
      assert.equal(will.payload.reason, 'connection-lost');
      assert.equal(will.payload.ts, undefined);
      assert.equal(readReport('state', will.content).ok, true);
      const later = await observer();
      assert.equal((await later.message('state', (_, retain) => retain)).payload.status, 'offline');
      assert.equal((await events.next('disconnected')).kind, 'disconnected');
      assert.equal(uplink.status().state, 'connecting');
    });

    test('a stop says so, and the broker discards the will', async () => {
      const watching = await observer();
      const { publisher: uplink, events } = publisher();
      await uplink.start();
      await events.next('connected');
      await uplink.stop();
      await watching.message('state', ({ reason }) => reason === 'stopped');
      const later = await observer();
      const state = await later.message('state', (_, retain) => retain);
      assert.deepEqual([state.payload.status, state.payload.reason], ['offline', 'stopped']);
      assert.equal(uplink.status().state, 'stopped');
    });

    test('samples and bursts arrive as they were recorded', async () => {
      const watching = await observer();
      const { publisher: uplink, events, reporter } = publisher();
      await uplink.start();
      await events.next('connected');
      reporter.pressure(sample);
      reporter.burst(burst);
      reporter.mark('keyboard', 'start of the tunnel');
      const mem = readReport('tele/mem', (await watching.message('tele/mem')).content);
      const psi = readReport('tele/psi', (await watching.message('tele/psi')).content);
      assert.ok(mem.ok && psi.ok);
      assert.deepEqual(pressureSampleOf(mem.payload, psi.payload), sample);
      const served = readReport('event/burst', (await watching.message('event/burst')).content);
      assert.ok(served.ok);
      assert.deepEqual(burstRecordOf(served.payload), burst);
      assert.equal((await watching.message('event/mark')).payload.label, 'start of the tunnel');
    });

    test('starts with the broker down, says so once, and delivers when it comes up', async () => {
      const wire = await wired();
      await wire.close();
      const { publisher: uplink, events, reporter } = publisher({ url: `mqtt://127.0.0.1:${wire.port}` });
      await uplink.start();
      const down = await events.next('disconnected');
      assert.match(JSON.stringify(down), /ECONNREFUSED/);
      assert.equal(uplink.status().state, 'connecting');
      assert.match(uplink.status().reason ?? '', /ECONNREFUSED/);
      reporter.burst(burst);
      const watching = await observer();
      await wire.open();
      await watching.message('event/burst', ({ id }) => id === burst.id);
      assert.equal(events.all.filter(({ kind }) => kind === 'disconnected').length, 1);
    });

    test('a broker restart loses the oldest readings, counts them, shows the count, and keeps every burst', async () => {
      const wire = await wired();
      const {
        publisher: uplink,
        events,
        reporter,
      } = publisher({
        url: `mqtt://127.0.0.1:${wire.port}`,
        queue: new OutgoingQueue({ ...QUEUE_LIMITS, mem: 5, psi: 5 }),
      });
      await uplink.start();
      await events.next('connected');
      await broker.stop();
      await events.next('disconnected');
      await wire.close();
      for (let i = 0; i < 12; i++) reporter.pressure({ ...sample, atMicros: micros(i) });
      for (let i = 0; i < 40; i++) reporter.burst({ ...burst, id: `late-${i}` });
      assert.deepEqual(uplink.status().dropped, { mem: 7, psi: 7 });
      assert.equal(uplink.status().queued, 50);
      await broker.start(port);
      const watching = await observer();
      await wire.open();
      const state = await watching.message('state', ({ dropped_mem }) => dropped_mem === 7);
      assert.equal(state.payload.status, 'online');
      assert.equal(state.payload.dropped_burst, undefined);
      await watching.message('tele/psi', ({ seq }) => seq === 11);
      await watching.message('event/burst', ({ id }) => id === 'late-39');
      const reads = (leaf: string) =>
        watching.seen
          .filter(({ topic }) => topic.endsWith(`/${leaf}`))
          .map(({ content }) => JSON.parse(content.toString()));
      assert.deepEqual(
        reads('event/burst').map(({ id }) => id),
        Array.from({ length: 40 }, (_, i) => `late-${i}`),
      );
      assert.deepEqual(
        reads('tele/mem').map(({ seq }) => seq),
        [7, 8, 9, 10, 11],
      );
      assert.equal(uplink.status().connections, 2);
      assert.deepEqual([uplink.status().queued, uplink.status().dropped], [0, { mem: 7, psi: 7 }]);
    });

    test('a burst that was sent but not acknowledged is sent again on the next connection', async () => {
      const wire = await wired();
      const { publisher: uplink, events, reporter } = publisher({ url: `mqtt://127.0.0.1:${wire.port}` });
      await uplink.start();
      await events.next('connected');
      for (let i = 0; i < 100; i++) reporter.burst({ ...burst, id: `cut-${i}` });
      assert.ok(uplink.status().inFlight <= 32, 'no more than 32 are handed to the client at a time');
      await wire.close();
      await events.next('disconnected');
      const watching = await observer();
      await wire.open();
      await watching.message('event/burst', ({ id }) => id === 'cut-99');
      const ids = watching.seen
        .filter(({ topic }) => topic.endsWith('/event/burst'))
        .map(({ content }) => JSON.parse(content.toString()).id);
      assert.deepEqual(
        [...new Set(ids)].slice(-68),
        Array.from({ length: 68 }, (_, i) => `cut-${i + 32}`),
      );
      assert.deepEqual(uplink.status().dropped, {});
    });

    test('a flood that outruns the connection is bounded, and counted where everybody sees it', async () => {
      const watching = await observer();
      const { publisher: uplink, events, reporter } = publisher();
      await uplink.start();
      await events.next('connected');
      for (let i = 0; i < 5000; i++) reporter.pressure({ ...sample, atMicros: micros(i) });
      const { queued, dropped } = uplink.status();
      assert.ok(queued <= QUEUE_LIMITS.mem + QUEUE_LIMITS.psi);
      assert.ok((dropped.mem ?? 0) > 0);
      await watching.message('state', ({ dropped_mem }) => dropped_mem === dropped.mem);
      await watching.message('tele/mem', ({ seq }) => seq === 4999);
    });

    test('with a spool, what was reported without a broker comes later, marked, and nothing is dropped', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'memtide-uplink-'));
      undo.push(() => rm(folder, { recursive: true, force: true }));
      const wire = await wired();
      await wire.close();
      const stamper = new Stamper({
        clock: systemClock,
        bootId: '0f0e0d0c-0000-4000-8000-000000000000',
        readSyncState: () => ({ known: true, synced: false }),
      });
      const spool = await openSpool({
        folder,
        clock: systemClock,
        bootId: stamper.bootId,
        stamp: () => stamper.stamp('event/gap'),
        capBytes: 16 * 1024 * 1024,
        syncMillis: 20,
        drainHz: 100_000,
        resendMillis: 50,
      });
      undo.push(() => spool.stop());
      const {
        publisher: uplink,
        events,
        reporter,
      } = publisher({ url: `mqtt://127.0.0.1:${wire.port}`, spool: spool.feed, stateMillis: 20 });
      await uplink.start();
      await events.next('disconnected');
      for (let i = 0; i < 600; i++) reporter.pressure({ ...sample, atMicros: micros(i) });
      // What is written after the connection stands is live.
      while (spool.feed.status().acknowledged_seq < 1200) await new Promise((resolve) => setTimeout(resolve, 5));
      const watching = await observer();
      await wire.open();
      await events.next('connected');
      const last = await watching.message('tele/psi', ({ seq }) => seq === 599);
      assert.equal(last.payload.historical, true);
      assert.equal(readReport('tele/psi', last.content).ok, true);
      reporter.mark('keyboard', 'live');
      const { payload } = await watching.message('event/mark');
      assert.deepEqual([payload.historical, payload.spool_seq], [undefined, 1201]);
      const mems = watching.seen.filter(({ topic }) => topic.endsWith('/tele/mem'));
      assert.deepEqual(
        mems.map(({ content }) => JSON.parse(content.toString()).seq),
        Array.from({ length: 600 }, (_, i) => i),
      );
      assert.deepEqual(uplink.status().dropped, {});
      // A sink that lacks the first is sent it again; one that has all frees the spool.
      const said = { v: 1, spool: payload.spool };
      const seenBefore = watching.seen.length;
      const firstAgain = () =>
        watching.seen.slice(seenBefore).some(({ content }) => /"spool_seq":1,/.test(`${content}`));
      while (!firstAgain()) {
        await watching.send('sink/watermark', JSON.stringify({ ...said, watermark: 0, missing: [[1, 1]] }));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await watching.send('sink/watermark', JSON.stringify({ ...said, watermark: 1201 }));
      // The retained state follows.
      const state = await watching.message('state', ({ spool_unconfirmed }) => spool_unconfirmed === 0);
      assert.equal(readReport('state', state.content).ok, true);
      assert.deepEqual([state.payload.spool_unsent, state.payload.spool_dropped], [0, 0]);
    });

    test('a stop does not wait for a broker that hangs', async () => {
      const wire = await wired();
      const {
        publisher: uplink,
        events,
        reporter,
      } = publisher({ url: `mqtt://127.0.0.1:${wire.port}`, stopMillis: 50 });
      await uplink.start();
      await events.next('connected');
      wire.freeze();
      reporter.burst(burst);
      await uplink.stop();
      assert.equal(uplink.status().state, 'stopped');
    });

    test('commands are checked, run once and answered with their transaction id', async () => {
      let runs = 0;
      const { publisher: uplink, events } = publisher({
        commands: async () => ({
          grow: command({ add_mib: z.int().min(1) }, ({ add_mib }) => {
            runs++;
            if (add_mib > 64) throw new Error('more than the ceiling');
            return { added_mib: add_mib };
          }),
        }),
      });
      await uplink.start();
      await events.next('connected');
      const asking = await observer();
      const answer = async (txn: string) =>
        (await asking.message('rsp/grow', (payload) => payload.txn === txn)).payload;

      await asking.send('cmd/grow', JSON.stringify({ txn: 'a', add_mib: 4 }));
      const { ok, added_mib, v, boot } = await answer('a');
      assert.deepEqual(
        { ok, added_mib, v, boot },
        { ok: true, added_mib: 4, v: 1, boot: '0f0e0d0c-0000-4000-8000-000000000000' },
      );

      await asking.send('cmd/grow', JSON.stringify({ txn: 'b', add_mib: 'four' }));
      assert.match((await answer('b')).error, /^add_mib: /);
      await asking.send('cmd/grow', JSON.stringify({ txn: 'c', add_mib: 65 }));
      assert.deepEqual([(await answer('c')).ok, (await answer('c')).error], [false, 'more than the ceiling']);
      await asking.send('cmd/shrink', JSON.stringify({ txn: 'd' }));
      assert.match((await asking.message('rsp/shrink')).payload.error, /no such command; known: grow/);
      await asking.send('cmd/grow', '{"txn":');
      const unreadable = await asking.message('rsp/grow', ({ txn }) => txn === undefined);
      assert.match(unreadable.payload.error, /JSON object with txn/);

      runs = 0;
      await asking.send('cmd/grow', JSON.stringify({ txn: 'a', add_mib: 4 }));
      await asking.send('cmd/grow', JSON.stringify({ txn: 'e', add_mib: 1 }));
      await answer('e');
      assert.equal(runs, 1, 'the repeated transaction was not run again');
    });

    test('a retained command does not run at each connection', async () => {
      const asking = await observer();
      await asking.send('cmd/grow', JSON.stringify({ txn: 'old' }), true);
      let runs = 0;
      const { publisher: uplink } = publisher({
        commands: async () => ({ grow: command({}, () => ({ runs: ++runs })) }),
      });
      await uplink.start();
      const { payload } = await asking.message('rsp/grow');
      assert.equal(payload.ok, false);
      assert.match(payload.error, /retained/);
      assert.equal(runs, 0);
    });

    test('a domain hears what others of its vehicle send to it, as it is sent, and nothing else', async () => {
      const heard: string[] = [];
      const hears = resolvable();
      const to = (domain: string) => ({ base: 'memtide', vehicle: 'car-7', domain });
      const receiver = publisher({
        owner: to('infotainment'),
        onCoordination: (from, content) => {
          heard.push(`${from} ${JSON.parse(content.toString()).offer_bytes}`);
          if (heard.length === 2) hears.resolve();
        },
      });
      const stranger = publisher({ owner: { ...to('cluster'), vehicle: 'car-8' } });
      const [asking, self] = [await observer(), publisher()];
      assert.equal(self.publisher.coordinate('infotainment', { offer_bytes: 0 }), false, 'nothing is kept for later');
      await asking.send('coord/infotainment', '{"offer_bytes":9}', true);
      for (const { publisher: uplink, events } of [receiver, stranger, self]) {
        await uplink.start();
        await events.next('connected');
      }
      receiver.publisher.coordinate('infotainment', { offer_bytes: 1 });
      stranger.publisher.coordinate('infotainment', { offer_bytes: 2 });
      self.publisher.coordinate('backend', { offer_bytes: 3 });
      self.publisher.coordinate('infotainment', { offer_bytes: 4 });
      self.publisher.coordinate('infotainment', { offer_bytes: 5 });
      await hears.promise;
      assert.deepEqual(heard, ['cluster 4', 'cluster 5']);
    });
  });
}
