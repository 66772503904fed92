/**
 * One suite for every carrier of the slow plane's links: the Unix socket, and MQTT over the embedded broker and mosquitto
 * (3.1.1 and 5). What both ends may rely on is in coordination/backend-link.ts.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import mqtt from 'mqtt';
import { BudgetAnswers } from '../../src/agent/budget-answers.ts';
import { BudgetMover } from '../../src/agent/budget-mover.ts';
import { systemClock } from '../../src/clock.ts';
import { checkConfig } from '../../src/config/load.ts';
import type { BackendCall, BackendNotice } from '../../src/coordination/agent-protocol.ts';
import type { LinkServer } from '../../src/coordination/backend-link.ts';
import { bytes, MIB } from '../../src/units.ts';
import { Embedded, Mosquitto, mosquitto } from './brokers.ts';
import { type Carrier, carriers, DOMAINS, type End, type Host, type Link, MqttCarrier } from './carriers.ts';

const PATIENCE = { timeout: 120_000 }; // not a claim: what never comes should fail its test rather than hang the run

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const burst = (number: number): BackendCall => ({ op: 'burst', bytes: number, atMicros: number, totalMicros: 0 });

/** Starts what a test needs of a carrier, and ends it. */
function bench(made: () => Carrier) {
  const undo: (() => Promise<unknown>)[] = [];
  let carrier: Carrier;
  before(async () => {
    carrier = made();
    await carrier.start();
  });
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  after(() => carrier.stop());
  return {
    carrier: () => carrier,
    server: async (host: Host): Promise<LinkServer> => {
      const server = await carrier.server(host);
      undo.push(() => server.stop());
      return server;
    },
    link: (domain: string, end: End = {}): Link => {
      const link = carrier.link(domain, end);
      undo.push(() => link.close());
      return link;
    },
  };
}

for (const { name, make } of carriers) {
  const options = { skip: make ? false : 'mosquitto is neither on PATH nor in /usr/sbin', ...PATIENCE };
  describe(`slow-plane link: ${name}`, options, () => {
    const { carrier, server, link } = bench(() => make!());

    test('calls and notices arrive whole, in order, in the name of who is linked', async () => {
      const heard: [string, BackendCall][] = [];
      const notices: BackendNotice[] = [];
      const back = await server({ call: (domain, call) => heard.push([domain, call]), budgetOf: () => 48 * MIB });
      const front = link('cluster', { notice: (notice) => notices.push(notice) });
      const welcome = await front.start();
      assert.equal(welcome.budgetBytes, 48 * MIB);
      await until(() => back.isLinked('cluster'));
      const calls: BackendCall[] = [
        { op: 'report', usedBytes: 1, limitBytes: 2, wantedBytes: 3, programs: 4, pressured: true, lastId: 5 },
        { op: 'moved', id: 6, changeBytes: -7, limitBytes: 8 },
        ...Array.from({ length: 50 }, (_, number) => burst(number)),
      ];
      for (const call of calls) assert.equal(front.tell(call), true);
      const said: BackendNotice[] = [
        { notice: 'reserve', bytes: 9 },
        ...Array.from({ length: 20 }, (_, id) => ({ notice: 'budget' as const, id, changeBytes: 5 - id })),
        { notice: 'given', id: 1, session: 2, chunks: 3, status: 0, decideMicros: 4, releaseMicros: 5 },
      ];
      for (const notice of said) assert.equal(back.tell('cluster', notice), true);
      await until(() => heard.length >= calls.length && notices.length >= said.length);
      assert.deepEqual(
        heard,
        calls.map((call) => ['cluster', call]),
      );
      assert.deepEqual(notices, said);
      assert.equal(back.tell('infotainment', said[0]!), false);
    });

    test('a domain that nobody knows is refused, and so is a second agent of one', async () => {
      await server({});
      await assert.rejects(link('nowhere').start(), /no domain "nowhere" here; there are cluster/);
      const first = link('cluster');
      await first.start();
      if (name !== 'Unix socket') return; // there the second client of a name ends the first: see decisions/0014
      await assert.rejects(link('cluster').start(), /has an agent already/);
      assert.equal(first.isUp, true);
    });

    test('a link that breaks is made again, and says where the domain stands', async () => {
      const heard: number[] = [];
      const joins: (number | undefined)[] = [];
      const back = await server({
        joined: (_, limitBytes) => joins.push(limitBytes),
        call: (_, call) => call.op === 'burst' && heard.push(call.bytes),
      });
      const front = link('cluster', { limitBytes: () => (joins.length === 0 ? undefined : 77) });
      await front.start();
      await until(() => joins.length === 1);
      let said = 0;
      for (let round = 0; round < 3; round++) {
        for (let count = 0; count < 10; count++) front.tell(burst(++said));
        await carrier().break();
        const before = said;
        // What was on its way may be lost; what comes does so in order, and once.
        await until(() => front.tell(burst(++said)) && heard.at(-1)! > before);
      }
      assert.deepEqual(
        heard,
        heard.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(heard).size, heard.length);
      assert.equal(back.isLinked('cluster'), true);
      assert.equal(joins[0], undefined);
      assert.ok(joins.slice(1).every((limit) => limit === 77));
    });

    test('the successor of a back end is joined as another one', async () => {
      const welcomes: number[] = [];
      const first = await server({ budgetOf: () => 1 });
      let away = 0;
      const front = link('cluster', {
        joined: ({ epoch }) => welcomes.push(epoch),
        away: () => away++,
        limitBytes: () => 5,
      });
      const { epoch } = await front.start();
      await until(() => first.isLinked('cluster'));
      await first.stop();
      await until(() => away > 0);
      assert.equal(front.tell(burst(1)), false);
      const limits: (number | undefined)[] = [];
      await server({ joined: (_, limitBytes) => limits.push(limitBytes) });
      await until(() => limits.length > 0 && welcomes.length > 0);
      assert.ok(welcomes.every((life) => life > epoch));
      assert.equal(limits[0], 5);
    });

    test('budgets and pool add up at every step, while the link breaks in the middle of moves', async () => {
      const total = 256 * MIB;
      const config = checkConfig({
        total_mib: 256,
        domains: DOMAINS.map((domain) => ({ name: domain, floor_mib: 16, ceiling_mib: 192, budget_mib: 96 })),
        policy: { tokens_mib_per_s: 100_000, token_burst_mib: 100_000, step_cap_mib: 24 },
      });
      const real = new Map<string, number>(DOMAINS.map((domain) => [domain, 96 * MIB]));
      const applied = new Map<string, Set<number>>(DOMAINS.map((domain) => [domain, new Set()]));
      let moves = 0;
      const check = (): void => {
        const sum = [...real.values()].reduce((all, limit) => all + limit, 0);
        assert.ok(sum <= total, `${sum} bytes in budgets of ${total}`);
        for (const domain of DOMAINS) {
          assert.ok(mover.limitOf(domain)! >= real.get(domain)!, `${domain} holds more than is counted`);
        }
      };
      const mover: BudgetMover = new BudgetMover({
        config,
        total: bytes(total),
        claimedBytes: () => 0,
        clock: systemClock,
        onOutcome: () => {},
        host: {
          chunkBytes: 2 * MIB,
          isSettled: true,
          figure: () => 0,
          tell: (domain, notice) => back.tell(domain, notice),
          setPressured: () => {},
          punch: () => {},
          populate: () => {},
        },
      });
      const back = await server({
        joined: (domain, limitBytes) => mover.joined(domain, limitBytes),
        left: (domain) => mover.forget(domain),
        budgetOf: (domain) => mover.limitOf(domain),
        call: (domain, call) => {
          if (call.op === 'report') mover.report(domain, call);
          else if (call.op === 'moved') mover.moved(domain, call);
          check();
        },
      });
      const fronts: { report(): void }[] = [];
      let wanting = 0;
      for (const [index, domain] of DOMAINS.entries()) {
        const answers = new BudgetAnswers();
        const front: Link = link(domain, {
          limitBytes: () => real.get(domain)!,
          joined: ({ epoch }) => answers.meet(epoch),
          notice: (notice) => {
            if (notice.notice !== 'budget') return;
            const moved = answers.answer(notice.id, () => {
              assert.equal(applied.get(domain)!.has(notice.id), false, 'a move was made twice');
              applied.get(domain)!.add(notice.id);
              const limit = Math.max(16 * MIB, real.get(domain)! + notice.changeBytes);
              const changeBytes = limit - real.get(domain)!;
              real.set(domain, limit);
              moves++;
              check();
              return { op: 'moved', id: notice.id, changeBytes, limitBytes: limit };
            });
            if (moved) front.tell(moved);
          },
        });
        const { epoch } = await front.start();
        answers.meet(epoch);
        fronts.push({
          report: () => {
            const wants = wanting === index;
            const limitBytes = real.get(domain)!;
            front.tell({
              op: 'report',
              usedBytes: wants ? limitBytes : 8 * MIB,
              limitBytes,
              wantedBytes: wants ? 190 * MIB : 20 * MIB,
              programs: 1,
              pressured: wants,
              lastId: answers.lastId,
            });
          },
        });
      }
      const ticking = setInterval(() => {
        for (const front of fronts) front.report();
        mover.tick();
        check();
      }, 10);
      try {
        for (let turn = 0; turn < 4; turn++) {
          wanting = turn % 2;
          const before = moves;
          await until(() => moves >= before + 2);
          await carrier().break();
          await until(() => real.get(DOMAINS[wanting]!)! > 150 * MIB);
        }
      } finally {
        clearInterval(ticking);
      }
      check();
    });
  });
}

const brokers: [string, (() => Embedded | Mosquitto) | undefined][] = [
  ['the embedded broker', () => new Embedded()],
  ['mosquitto', mosquitto === undefined ? undefined : () => new Mosquitto(mosquitto!)],
];
for (const [broker, make] of brokers) {
  describe(`slow-plane link over ${broker}: messages that should not count`, {
    skip: make ? false : 'mosquitto is neither on PATH nor in /usr/sbin',
    ...PATIENCE,
  }, () => {
    const { carrier, server, link } = bench(() => new MqttCarrier(make!(), 4));
    const at = (): string => `mqtt://127.0.0.1:${(carrier() as MqttCarrier).port}`;

    test('what is heard again, late, retained or out of order is not acted upon', async () => {
      const heard: number[] = [];
      const notices: number[] = [];
      const back = await server({ call: (_, call) => call.op === 'burst' && heard.push(call.bytes) });
      const tap = await mqtt.connectAsync(at(), { protocolVersion: 4 });
      const copies: { topic: string; content: Buffer }[] = [];
      tap.on('message', (topic, content, { retain }) => !retain && copies.push({ topic, content }));
      await tap.subscribeAsync('memtide/car-7/+/coord/+', { qos: 1 });
      try {
        const front = link('cluster', {
          notice: (notice) => notice.notice === 'reserve' && notices.push(notice.bytes),
        });
        await front.start();
        for (let number = 1; number <= 10; number++) {
          front.tell(burst(number));
          back.tell('cluster', { notice: 'reserve', bytes: number });
        }
        await until(() => heard.length === 10 && notices.length === 10);
        const old = copies.splice(0);
        for (const { topic, content } of [...old, ...old.toReversed()]) {
          await tap.publishAsync(topic, content, { qos: 1 });
          await tap.publishAsync(topic, content, { qos: 1, retain: true });
        }
        front.tell(burst(11));
        back.tell('cluster', { notice: 'reserve', bytes: 11 });
        await until(() => heard.at(-1) === 11 && notices.at(-1) === 11);
        const ten = Array.from({ length: 11 }, (_, number) => number + 1);
        assert.deepEqual([heard, notices], [ten, ten]);
        assert.equal(front.isUp && back.isLinked('cluster'), true, 'a greeting heard again ends no link');
        await front.close();
        // The next life of the agent hears what is retained of the one before.
        await until(() => !back.isLinked('cluster'));
        const next = link('cluster', { notice: (notice) => notice.notice === 'reserve' && notices.push(notice.bytes) });
        await next.start();
        next.tell(burst(12));
        back.tell('cluster', { notice: 'reserve', bytes: 12 });
        await until(() => heard.at(-1) === 12 && notices.at(-1) === 12);
        assert.deepEqual(
          [heard, notices],
          [
            [...ten, 12],
            [...ten, 12],
          ],
        );
      } finally {
        const topics = new Set(copies.map(({ topic }) => topic));
        for (const topic of topics) await tap.publishAsync(topic, '', { qos: 1, retain: true });
        await tap.endAsync(true);
      }
    });

    test('who speaks is the topic, whatever the message says; nonsense is passed over', async () => {
      const heard: [string, number][] = [];
      const back = await server({ call: (domain, call) => call.op === 'burst' && heard.push([domain, call.bytes]) });
      const front = link('cluster');
      await front.start();
      const other = await (carrier() as MqttCarrier).connection('infotainment');
      const claims = { op: 'burst', bytes: 666, at_us: 0, total_us: 0, domain: 'cluster', epoch: 1, to_epoch: 1 };
      await until(() => other.send('backend', { ...claims, link_seq: 1 }));
      for (const fields of [{}, { op: 'hello' }, { op: 'hello', epoch: -1, to_epoch: 0, link_seq: 1 }]) {
        other.send('backend', fields as Record<string, string | number>);
      }
      const stranger = await (carrier() as MqttCarrier).connection('nowhere');
      await until(() => stranger.send('backend', { op: 'hello', epoch: 9, to_epoch: 0, link_seq: 1 }));
      front.tell(burst(1));
      await until(() => heard.length > 0);
      assert.deepEqual(heard, [['cluster', 1]]);
      assert.equal(back.isLinked('infotainment') || back.isLinked('nowhere'), false);
    });

    test('a domain that shares memory gets its requests through, and nothing else', async () => {
      const heard: BackendCall[] = [];
      const notices: BackendNotice[] = [];
      const joined: string[] = [];
      const back = await server({ call: (_, call) => heard.push(call), joined: (domain) => joined.push(domain) });
      const second = link('cluster', { sharesMemory: true, notice: (notice) => notices.push(notice) });
      await second.start();
      const need: BackendCall = { op: 'need', id: 4, session: 2, chunks: 3, deadlineMicros: 1000 };
      second.tell(burst(1));
      second.tell(need);
      await until(() => heard.length > 0);
      assert.deepEqual(heard, [need]);
      const given = { id: 4, session: 2, chunks: 3, status: 0, decideMicros: 1, releaseMicros: 2 };
      assert.equal(back.tell('cluster', { notice: 'given', ...given }), true);
      await until(() => notices.length > 0);
      assert.deepEqual(notices, [{ notice: 'given', ...given }]);
      assert.equal(back.isLinked('cluster'), false, 'it is no second agent of the domain');
      assert.deepEqual(joined, []);
      // And the other way about: who shares none cannot ask for any.
      const remote = link('infotainment');
      await remote.start();
      remote.tell(need);
      remote.tell(burst(5));
      await until(() => heard.length > 1);
      assert.deepEqual(heard[1], burst(5));
    });
  });
}

test('with an access list, a domain cannot write in the name of another', {
  skip: mosquitto ? false : 'mosquitto is neither on PATH nor in /usr/sbin',
  ...PATIENCE,
}, async () => {
  const access = ['pattern readwrite memtide/car-7/%u/#', 'pattern read memtide/car-7/+/coord/%u'];
  const carrier = new MqttCarrier(new Mosquitto(mosquitto!, access), 4);
  await carrier.start();
  try {
    const heard: string[] = [];
    (await carrier.connection('backend', 'backend')).listen((from, content) =>
      heard.push(`${from} ${JSON.parse(content.toString()).op}`),
    );
    const pretender = await carrier.connection('cluster', 'infotainment');
    const honest = await carrier.connection('infotainment', 'infotainment');
    await until(() => pretender.send('backend', { op: 'forged' }));
    await until(() => heard.length > 0 || !honest.send('backend', { op: 'own' }));
    await until(() => {
      honest.send('backend', { op: 'own' });
      return heard.length > 0;
    });
    assert.ok(heard.every((each) => each === 'infotainment own'));
  } finally {
    await carrier.stop();
  }
});
