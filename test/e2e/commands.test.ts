/** What is commanded over MQTT, through each broker: asked of real agents, done, and answered. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import type { Mode } from '../../src/records.ts';
import { MIB } from '../../src/units.ts';
import { findMosquitto, freePort, Mosquitto } from '../contract/brokers.ts';
import { LocalMachine } from './local-machine.ts';

const TOTAL_MIB = 96;
const DOMAINS = [
  { name: 'cluster', floor_mib: 16, ceiling_mib: 48, budget_mib: 16 },
  { name: 'infotainment', floor_mib: 16, ceiling_mib: 64, budget_mib: 16 },
];

type Answer = Record<string, unknown>;

/** A machine and somebody who commands it. */
async function commanded(t: TestContext, url: string | undefined, mode: Mode = 'hypervisor') {
  const machine = new LocalMachine({
    total_mib: TOTAL_MIB,
    mode,
    domains: DOMAINS,
    mqtt: url === undefined ? { embedded: { port: 0 } } : { url },
  });
  await machine.start();
  const client = await mqtt.connectAsync((await machine.status()).broker_url!);
  t.after(async () => {
    await client.endAsync(true);
    await machine.stop();
  });
  const heard: Array<{ topic: string; payload: Answer; retain: boolean }> = [];
  const news = new EventEmitter();
  client.on('message', (topic, content, { retain }) => {
    heard.push({ topic, payload: JSON.parse(content.toString()), retain });
    news.emit('message');
  });
  await client.subscribeAsync(['memtide/local/+/rsp/+', 'memtide/local/+/event/mark', 'memtide/local/+/info']);
  const hear = async (topic: string, wanted: (payload: Answer) => boolean): Promise<Answer> => {
    for (;;) {
      const found = heard.find((message) => message.topic === `memtide/local/${topic}` && wanted(message.payload));
      if (found) return found.payload;
      await once(news, 'message');
    }
  };
  let count = 0;
  const say = (domain: string, verb: string, content: string) =>
    client.publishAsync(`memtide/local/${domain}/cmd/${verb}`, content, { qos: 1 });
  const ask = async (domain: string, verb: string, args: object = {}): Promise<Answer> => {
    const txn = `t-${++count}`;
    await say(domain, verb, JSON.stringify({ txn, ...args }));
    return hear(`${domain}/rsp/${verb}`, (payload) => payload.txn === txn);
  };
  // A command to an agent that has not subscribed yet is lost.
  for (const domain of ['backend', ...DOMAINS.map((each) => each.name)]) {
    const answered = hear(`${domain}/rsp/hello`, () => true);
    while (!(await Promise.race([answered, sleep(50)]))) await say(domain, 'hello', '{}');
  }
  return { machine, ask, say, hear };
}

const mosquitto = findMosquitto();
const BROKERS = [
  { name: 'the embedded broker', skip: false as const, open: async (_: TestContext) => undefined },
  {
    name: 'mosquitto',
    skip: mosquitto === undefined ? 'mosquitto is not installed' : (false as const),
    open: async (t: TestContext) => {
      const broker = new Mosquitto(mosquitto!);
      const port = await freePort();
      await broker.start(port);
      t.after(() => broker.stop());
      return `mqtt://127.0.0.1:${port}`;
    },
  },
];

for (const { name, skip, open } of BROKERS) {
  describe(`commands through ${name}`, { skip }, () => {
    test('change the mode of all domains at once', async (t) => {
      const { machine, ask, hear } = await commanded(t, await open(t));
      const { ok, mode } = await ask('backend', 'mode', { mode: 'split' });
      assert.deepEqual({ ok, mode }, { ok: true, mode: 'split' });
      assert.equal((await machine.status()).mode, 'split');
      await hear('backend/info', (payload) => payload.mode === 'split');
      await hear('cluster/info', (payload) => payload.mode === 'split');

      const application = await machine.application('cluster');
      const lease = await application.borrow(4 * MIB, { deadline: 5000 });
      assert.equal(lease.tierBytes.peer, 4 * MIB, 'the first design has neither reserve nor pool');
    });

    test('change floor and ceiling of a domain, and refuse what does not fit', async (t) => {
      // Without reserves and offers: nothing moves but what is asked for.
      const { machine, ask } = await commanded(t, await open(t), 'split');
      const application = await machine.application('cluster');
      await assert.rejects(application.borrow(40 * MIB, { deadline: 1000 }), /ceiling/);
      const { ok, floor_mib, ceiling_mib } = await ask('backend', 'limits', { domain: 'cluster', ceiling_mib: 64 });
      assert.deepEqual({ ok, floor_mib, ceiling_mib }, { ok: true, floor_mib: 16, ceiling_mib: 64 });
      (await application.borrow(40 * MIB, { deadline: 5000 })).release();

      const refusals: Array<[object, RegExp]> = [
        [{ domain: 'nowhere', floor_mib: 1 }, /domain: no such domain; known: cluster, infotainment/],
        [{ domain: 'cluster', floor_mib: 65 }, /domains\[0\]\.floor_mib: found 65, above ceiling_mib 64/],
        [{ domain: 'cluster', ceiling_mib: 8, floor_mib: 8 }, /budget_mib: found 16; accepted: at most ceiling_mib, 8/],
        [{ domain: 'cluster', ceiling_mib: 96, floor_mib: 90 }, /total_mib: found 96; accepted: at least 106/],
        [{ domain: 'cluster', floor_mib: '16' }, /^floor_mib: /],
        [{ domain: 'cluster', ceiling_mib: 64.5 }, /^ceiling_mib: /],
        [{ domain: 'cluster', ceiling_kib: 64 }, /ceiling_kib/],
        [{ floor_mib: 16 }, /^domain: /],
      ];
      for (const [args, message] of refusals) {
        const answer = await ask('backend', 'limits', args);
        assert.equal(answer.ok, false, JSON.stringify(args));
        assert.match(String(answer.error), message);
      }
    });

    test('time a local allocation, mark a moment, and fix the reserve of a domain', async (t) => {
      const { machine, ask, hear } = await commanded(t, await open(t));
      const probe = await ask('cluster', 'probe', { size_kib: 1024 });
      assert.equal(probe.ok, true, String(probe.error));
      assert.ok((probe.fresh_us as number) > 0 && (probe.best_us as number) > 0);
      const large = await ask('cluster', 'probe', { size_kib: 32 * 1024 });
      assert.match(String(large.error), /less than twice 32 MiB/);

      assert.equal((await ask('cluster', 'mark', { label: 'tunnel' })).ok, true);
      const { source } = await hear('cluster/event/mark', ({ label }) => label === 'tunnel');
      assert.equal(source, 'command');

      assert.equal((await ask('cluster', 'reserve', { reserve_mib: 12 })).sized_by, 'command');
      assert.equal((await machine.domainStatus('cluster')).reserve_target_bytes, 12 * MIB);
      assert.match(
        String((await ask('cluster', 'reserve', { reserve_mib: 33 })).error),
        /reserve_mib: found 33; accepted: at most 32/,
      );
      assert.equal((await ask('cluster', 'reserve')).sized_by, 'policy');
      assert.ok((await machine.domainStatus('cluster')).reserve_target_bytes! < 12 * MIB);
    });

    test('that are hostile or unknown are refused, and the agents go on', async (t) => {
      const { machine, ask, say, hear } = await commanded(t, await open(t));
      for (const content of ['', 'null', '[]', '{"txn":7}', '{"txn":""}', '\0\xff', '['.repeat(5000)]) {
        await say('backend', 'mode', content);
      }
      await hear('backend/rsp/mode', ({ ok, error }) => ok === false && /JSON object with txn/.test(String(error)));
      for (const mode of ['fast', null, { $ne: '' }, '__proto__']) {
        assert.match(String((await ask('backend', 'mode', { mode })).error), /^mode: /);
      }
      assert.match(String((await ask('backend', 'mode', { mode: 'split', force: true })).error), /force/);
      assert.match(String((await ask('backend', 'constructor')).error), /no such command; known: mode, limits/);
      assert.match(String((await ask('cluster', 'limits')).error), /no such command; known: probe, mark, reserve/);
      assert.equal((await machine.status()).mode, 'hypervisor');
      assert.equal((await ask('backend', 'mode', { mode: 'split' })).ok, true);
    });
  });
}
