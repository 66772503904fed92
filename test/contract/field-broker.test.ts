/**
 * mosquitto as it ships for the field (firmware-scripts/mosquitto): TLS, a user for each domain of each vehicle, an access list.
 * Agents and sink are memtide's own; whoever tries what he may not is MQTT.js, used plainly.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { systemClock } from '../../src/clock.ts';
import { packageRoot } from '../../src/package-root.ts';
import { command } from '../../src/telemetry/commands.ts';
import { DriveRecorder } from '../../src/telemetry/drive/recorder.ts';
import { DriveSink } from '../../src/telemetry/drive/sink.ts';
import { Publisher } from '../../src/telemetry/publisher.ts';
import { Reporter } from '../../src/telemetry/reporter.ts';
import { openSpool } from '../../src/telemetry/spool/open-spool.ts';
import { Stamper } from '../../src/telemetry/stamp.ts';
import type { PublisherOptions } from '../../src/telemetry/uplink.ts';
import { MIB } from '../../src/units.ts';
import { freePort, mosquitto } from './brokers.ts';

const run = promisify(execFile);
const SCRIPT = join(packageRoot(), 'firmware-scripts/mosquitto/make-broker');
const isThere = (tool: string): boolean => spawnSync(tool, ['--help'], { stdio: 'ignore' }).error === undefined;
const missing = [
  ...(mosquitto === undefined ? ['mosquitto'] : []),
  ...['openssl', 'mosquitto_passwd', 'bash'].filter((tool) => !isThere(tool)),
];

async function until(wanted: () => boolean): Promise<void> {
  while (!wanted()) await wait(10);
}

for (const protocolVersion of [4, 5] as const) {
  describe(`mosquitto as it ships for the field, MQTT ${protocolVersion === 4 ? '3.1.1' : '5'}`, {
    skip: missing.length === 0 ? false : `not installed: ${missing.join(', ')}`,
    timeout: 120_000,
  }, () => {
    let folder: string;
    let port: number;
    let broker: ChildProcess | undefined;
    let ca: string;
    const undo: Array<() => unknown> = [];

    async function makeBroker(...vehicles: string[]): Promise<void> {
      const place = ['--dir', join(folder, 'broker'), '--host', 'localhost', '--host', '127.0.0.1'];
      await run(SCRIPT, [...place, '--port', String(port), '--address', '127.0.0.1', ...vehicles]);
    }
    async function startBroker(): Promise<void> {
      broker = spawn(mosquitto!, ['-c', join(folder, 'broker/mosquitto.conf')], { stdio: 'ignore' });
      for (let open = false; !open; ) {
        const socket = connectTls({ port, host: '127.0.0.1', ca });
        open = await Promise.race([
          once(socket, 'secureConnect').then(() => true),
          once(socket, 'close').then(() => false),
        ]).catch(() => false);
        socket.destroy();
        if (!open) await wait(20);
      }
    }
    async function stopBroker(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
      const running = broker;
      broker = undefined;
      if (!running || running.exitCode !== null) return;
      const exited = once(running, 'exit');
      running.kill(signal);
      await exited;
    }
    const passwordOf = async (user: string): Promise<string> =>
      (await readFile(join(folder, `broker/clients/${user}.password`), 'utf8')).trim();

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'memtide-field-'));
      // Where the tests run as root, mosquitto becomes another user.
      await chmod(folder, 0o711);
      port = await freePort();
      await makeBroker('car-7:backend,cluster,infotainment', 'car-8:cluster');
      ca = await readFile(join(folder, 'broker/ca.crt'), 'utf8');
      await startBroker();
    });
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step();
    });
    after(async () => {
      await stopBroker();
      await rm(folder, { recursive: true, force: true });
    });

    /** A client that is no agent of ours. */
    async function client(user: string, options: IClientOptions = {}): Promise<MqttClient> {
      const password = await passwordOf(user);
      const made = await mqtt.connectAsync(`mqtts://127.0.0.1:${port}`, {
        ca,
        username: user,
        password,
        protocolVersion,
        reconnectPeriod: 0,
        ...options,
      });
      made.on('error', () => {});
      undo.push(() => made.endAsync(true));
      return made;
    }
    function refusal(options: IClientOptions): Promise<string> {
      const made = mqtt.connect(`mqtts://127.0.0.1:${port}`, { ca, protocolVersion, reconnectPeriod: 0, ...options });
      undo.push(() => made.endAsync(true));
      return new Promise((resolve) => {
        made.on('connect', () => resolve('none'));
        made.on('error', ({ message }) => resolve(message));
      });
    }
    async function listen(listener: MqttClient, ...filters: string[]): Promise<string[]> {
      const heard: string[] = [];
      listener.on('message', (topic, content) => heard.push(`${topic} ${content}`));
      await listener.subscribeAsync(filters, { qos: 1 }).catch(() => {});
      return heard;
    }
    /** QoS 1: the broker has dealt with it, one way or the other. MQTT 5 tells a refusal. */
    const attempt = (who: MqttClient, topic: string, content: string, retain = false): Promise<unknown> =>
      who.publishAsync(topic, content, { qos: 1, retain }).catch((error) => error);

    async function agent(domain: string, options: Partial<PublisherOptions> = {}) {
      const stamper = new Stamper({
        clock: systemClock,
        bootId: '0f0e0d0c-0000-4000-8000-000000000000',
        readSyncState: () => ({ known: true, synced: true }),
      });
      const user = `car-7.${domain}`;
      const publisher = new Publisher({
        owner: { base: 'memtide', vehicle: 'car-7', domain },
        url: `mqtts://localhost:${port}`,
        protocolVersion,
        keepaliveSeconds: 20,
        username: user,
        password: await passwordOf(user),
        certificateAuthority: ca,
        clock: systemClock,
        stamper,
        birth: { memtide: '0.1.0', node: process.version, kernel: '6.1.0', arch: process.arch, mode: 'hypervisor' },
        reconnectMillis: 20,
        ...options,
      });
      undo.push(() => publisher.stop());
      return { publisher, stamper, reporter: new Reporter(stamper, [publisher]) };
    }

    test('agents report, coordinate and obey; a sink records and confirms; nothing of it is refused', async () => {
      const refused: unknown[] = [];
      const onEvent: PublisherOptions['onEvent'] = (event) => event.kind === 'refused' && refused.push(event);
      const work = await mkdtemp(join(folder, 'work-'));
      const { publisher, stamper, reporter } = await agent('cluster', {
        onEvent,
        onCoordination: () => {},
        commands: async () => ({ mark: command({}, () => ({})) }),
        spool: await (async () => {
          const spool = await openSpool({
            folder: join(work, 'spool'),
            clock: systemClock,
            bootId: 'b',
            stamp: () => stamper.stamp('event/gap'),
            capBytes: MIB,
            syncMillis: 20,
            drainHz: 1000,
            resendMillis: 200,
          });
          undo.push(() => spool.stop());
          return spool.feed;
        })(),
      });
      const recorder = new DriveRecorder({
        folder: join(work, 'drives'),
        clock: systemClock,
        bootId: 'r',
        readSyncState: () => ({ known: true, synced: true }),
        recorder: 'test',
        confirmMillis: 20,
      });
      await recorder.start();
      const sink = new DriveSink({
        recorder,
        url: `mqtts://localhost:${port}`,
        base: 'memtide',
        protocolVersion,
        keepaliveSeconds: 20,
        username: 'sink',
        password: await passwordOf('sink'),
        certificateAuthority: ca,
        flushMillis: 20,
      });
      await sink.start();
      undo.push(() => sink.stop());
      const heardBy: string[] = [];
      const backend = await agent('backend', { onEvent, onCoordination: (from) => heardBy.push(from) });
      await backend.publisher.start();
      await publisher.start();
      await until(() => publisher.status().state === 'connected' && backend.publisher.status().state === 'connected');
      const operator = await client('operator');
      const answers = await listen(operator, 'memtide/+/+/rsp/+');
      for (let i = 0; i < 20; i++) reporter.mark('gpio', String(i));
      await attempt(operator, 'memtide/car-7/cluster/cmd/mark', '{"txn":"t1"}');
      await until(() => answers.some((text) => text.includes('"t1"') && text.includes('"ok":true')));
      await until(() => publisher.coordinate('backend', { offer_bytes: 1 }) && heardBy.includes('cluster'));
      await until(() => publisher.status().inFlight === 0 && recorder.status().recorded >= 20);
      await until(() => recorder.words().some(({ said }) => said.watermark === 20));
      assert.deepEqual(refused, []);
    });

    test('who has no name, a wrong password or no trust in the authority is not let in', async () => {
      assert.match(await refusal({}), /[Nn]ot authorized|Bad user/);
      assert.match(await refusal({ username: 'car-7.cluster', password: 'wrong' }), /[Nn]ot authorized|Bad user/);
      const username = 'car-7.cluster';
      const password = await passwordOf(username);
      assert.match(await refusal({ username, password, ca: [] }), /self.signed|unable to (get|verify)/);
      const { publisher } = await agent('cluster', { password: 'wrong' });
      await publisher.start();
      await until(() => publisher.status().reason !== undefined);
      assert.notEqual(publisher.status().state, 'connected');
      assert.equal((await refusal({ username, password })).toString(), 'none');
    });

    /** What an agent tries that is not its to say; @returns what of it was heard by anybody. */
    async function forge(): Promise<string[]> {
      const sink = await client('sink');
      const reports = ['state', 'info', 'tele/+', 'event/+'].map((leaf) => `memtide/+/+/${leaf}`);
      const heard = await listen(sink, ...reports);
      const victim = await client('car-7.infotainment');
      const commanded = await listen(
        victim,
        ...['cmd/+', 'sink/watermark'].map((leaf) => `memtide/car-7/infotainment/${leaf}`),
      );
      const leaves = [
        'state',
        'info',
        'tele/mem',
        'event/burst',
        'cmd/mark',
        'sink/watermark',
        'rsp/mark',
        'coord/cluster',
      ];
      const forged = [
        ...leaves.map((leaf) => `memtide/car-7/infotainment/${leaf}`),
        'memtide/car-8/cluster/state',
        'memtide/car-7/cluster/sink/watermark',
        'memtide/car-7/cluster/cmd/mark',
        'elsewhere',
      ];
      const attacker = await client('car-7.cluster');
      for (const topic of forged) await attempt(attacker, topic, 'forged', true);
      await attacker.endAsync(true);
      const topic = 'memtide/car-7/infotainment/state';
      const will = { topic, payload: Buffer.from('forged will'), qos: 1, retain: true } as const;
      // mosquitto refuses the connection, or drops the will.
      const dying = await client('car-7.cluster', { will }).catch(() => undefined);
      dying?.stream.destroy();
      const honest = await client('car-7.cluster');
      await attempt(honest, 'memtide/car-7/cluster/tele/mem', 'honest');
      await until(() => heard.includes('memtide/car-7/cluster/tele/mem honest'));
      const later = await client('operator');
      const retained = await listen(later, ...reports, 'memtide/+/+/rsp/+');
      await attempt(later, 'memtide/car-7/infotainment/cmd/mark', '{"txn":"end"}');
      await until(() => commanded.some((text) => text.endsWith('{"txn":"end"}')));
      return [...heard, ...commanded, ...retained].filter((text) => text.includes('forged'));
    }

    test('an agent cannot publish as another, nor confirm, nor command, by message or by will', async () => {
      assert.deepEqual(await forge(), []);
    });

    test('sabotage: without the access list, all of it is heard', async () => {
      await stopBroker();
      await appendFile(join(folder, 'broker/access'), '\npattern readwrite #\n');
      await startBroker();
      const heard = new Set((await forge()).map((text) => text.split(' ')[0]));
      const leaves = ['state', 'info', 'tele/mem', 'event/burst', 'cmd/mark', 'sink/watermark', 'rsp/mark'];
      const others = leaves.map((leaf) => `memtide/car-7/infotainment/${leaf}`);
      for (const topic of [...others, 'memtide/car-8/cluster/state']) assert.ok(heard.has(topic), topic);
      await stopBroker();
      await rm(join(folder, 'broker/data'), { recursive: true, force: true });
      await makeBroker('car-7:backend,cluster,infotainment', 'car-8:cluster');
      await startBroker();
    });

    test('an agent hears its own commands and what is meant for it, and nothing of others', async () => {
      const spy = await client('car-8.cluster');
      const heard = await listen(spy, '#', 'memtide/#', 'memtide/car-7/+/tele/+', 'memtide/car-8/cluster/cmd/+');
      const sender = await client('car-7.cluster');
      for (const leaf of ['tele/mem', 'coord/infotainment', 'state']) {
        await attempt(sender, `memtide/car-7/cluster/${leaf}`, 'private');
      }
      const operator = await client('operator');
      await attempt(operator, 'memtide/car-8/cluster/cmd/mark', 'own');
      await until(() => heard.some((text) => text.endsWith(' own')));
      assert.deepEqual(
        heard.filter((text) => !text.endsWith(' own')),
        [],
      );
    });

    test('a sink and an operator cannot speak for an agent', async () => {
      const listener = await client('operator');
      const heard = await listen(listener, 'memtide/+/+/state', 'memtide/+/+/event/+', 'memtide/+/+/rsp/+');
      const sink = await client('sink');
      for (const topic of ['memtide/car-7/cluster/state', 'memtide/car-7/cluster/event/mark']) {
        for (const who of [sink, listener]) await attempt(who, topic, 'forged');
      }
      const honest = await client('car-7.cluster');
      await attempt(honest, 'memtide/car-7/cluster/event/mark', 'honest');
      await until(() => heard.some((text) => text.endsWith(' honest')));
      assert.deepEqual(
        heard.filter((text) => text.endsWith(' forged')),
        [],
      );
    });

    test('a second sink has a user of its own, and may do what a sink may', async () => {
      await makeBroker('--sink', 'archive', 'car-7:backend,cluster,infotainment', 'car-8:cluster');
      await stopBroker();
      await startBroker();
      const [sink, archive, agentOf] = [await client('sink'), await client('archive'), await client('car-7.cluster')];
      const heard = [
        await listen(sink, 'memtide/+/+/event/+'),
        await listen(archive, 'memtide/+/+/event/+'),
        await listen(agentOf, 'memtide/car-7/cluster/sink/watermark'),
      ];
      await attempt(agentOf, 'memtide/car-7/cluster/event/mark', 'm');
      await attempt(archive, 'memtide/car-7/cluster/sink/watermark', 'w');
      await until(() => heard.every((each) => each.length === 1));
    });

    test('nobody ends the session of another by taking its client id', async () => {
      const { publisher } = await agent('cluster');
      await publisher.start();
      await until(() => publisher.status().state === 'connected');
      const thief = await client('car-7.infotainment', { clientId: 'car-7.cluster' });
      const other = await client('car-8.cluster', { clientId: 'memtide-car-7-cluster' });
      await attempt(thief, 'memtide/car-7/infotainment/event/mark', 'x');
      await attempt(other, 'memtide/car-8/cluster/event/mark', 'x');
      assert.deepEqual([publisher.status().state, publisher.status().connections], ['connected', 1]);
    });

    test('what is retained outlives a restart; who is no longer named is shut out, others keep their passwords', async () => {
      const first = await client('car-7.cluster');
      await attempt(first, 'memtide/car-7/cluster/state', 'kept', true);
      await stopBroker('SIGTERM');
      const before = await passwordOf('car-7.cluster');
      await makeBroker('car-7:cluster');
      assert.equal(await passwordOf('car-7.cluster'), before);
      await startBroker();
      const sink = await client('sink');
      const heard = await listen(sink, 'memtide/car-7/cluster/state');
      await until(() => heard.includes('memtide/car-7/cluster/state kept'));
      const username = 'car-8.cluster';
      assert.match(await refusal({ username, password: await passwordOf(username) }), /[Nn]ot authorized|Bad user/);
      await stopBroker();
      await makeBroker('car-7:backend,cluster,infotainment', 'car-8:cluster');
      await startBroker();
    });

    test('the script refuses what would widen a topic, and says what it accepts', async () => {
      for (const bad of ['car-7', 'car/7:cluster', 'car-7:clus+ter', 'car-7:#', 'car-7:a,,b', 'Car:x']) {
        await assert.rejects(makeBroker(bad), /accepted: VEHICLE:DOMAIN/, bad);
      }
      await assert.rejects(makeBroker('--sink', 'a/b', 'car-7:cluster'), /--sink a\/b: accepted/);
      const conf = await readFile(join(folder, 'broker/mosquitto.conf'), 'utf8');
      assert.doesNotMatch(conf, /@[A-Z]+@/);
      assert.match(conf, /^allow_anonymous false$/m);
    });
  });
}
