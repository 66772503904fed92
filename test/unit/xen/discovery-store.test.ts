/** Front ends and back end over a xenstored, with deaths, restarts and a hostile guest. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BackendDiscovery } from '../../../src/xen/backend-discovery.ts';
import type { Offer } from '../../../src/xen/discovery-nodes.ts';
import { GuestWatch, XenDomains } from '../../../src/xen/domains.ts';
import { FrontendDiscovery } from '../../../src/xen/frontend-discovery.ts';
import { Calls, storePlace } from '../../fakes/store-place.ts';
import type { FakeXenstored } from '../../fakes/xenstored.ts';

const TURNS = { spacingMillis: 1, retryMillis: 5 };
/** Xen, public/io/xs_wire.h. */
const UNWATCH = 5;
const HOME = '/local/domain/5/data/memtide';

async function place(test: TestContext) {
  const store = await storePlace(test);
  await store.guest(5, 'cluster');
  return {
    ...store,
    async backend(incarnation: number, { mapFails = 0 } = {}) {
      const told = new Calls<string>();
      const mapped = new Map<number, Offer>();
      const side = new BackendDiscovery({
        store: await store.client(0),
        frontendDomid: 5,
        incarnation,
        turns: TURNS,
        handlers: {
          connect: async (frontend, offer) => {
            assert.equal(mapped.size, 0, 'maps one at a time');
            if (mapFails-- > 0) throw new Error('no such grant');
            mapped.set(frontend, offer);
          },
          connected: (frontend) => told.add(`connected ${frontend}`),
          disconnect: (frontend, reason) => {
            assert.ok(mapped.delete(frontend));
            told.add(reason);
          },
          problem: (error) => told.add(`problem: ${(error as Error).message}`),
        },
      });
      store.stopAtEnd(side);
      await side.start();
      return { side, told, mapped };
    },
    async frontend(
      incarnation: number,
      {
        offer = { grantRefs: [8, 9], eventChannel: 12 },
        connectFails = 0,
        againMillis = { first: 5, largest: 20 },
      } = {},
    ) {
      const told = new Calls<string>();
      const side = new FrontendDiscovery({
        store: await store.client(5),
        domid: 5,
        incarnation,
        turns: TURNS,
        closeMillis: 100,
        againMillis,
        handlers: {
          prepare: async () => offer,
          connected: (offered) => {
            if (connectFails-- > 0) throw new Error('no thread');
            told.add(`connected ${offered}`);
          },
          withdraw: (_, reason) => told.add(reason),
          refused: (_, reason) => told.add(`refused: ${reason}`),
          problem: (error) => told.add(`problem: ${(error as Error).message}`),
        },
      });
      store.stopAtEnd(side);
      await side.start();
      return { side, told };
    },
  };
}

describe('discovery over xenstore', () => {
  it('connects a guest, whoever starts first, and lets it go when it closes', async (test) => {
    const { backend, frontend, client } = await place(test);
    const front = await frontend(100);
    const back = await backend(66);
    await front.told.until((text) => text === 'connected 101');
    assert.deepEqual([...back.mapped], [[101, { grantRefs: [8, 9], eventChannel: 12 }]]);
    const dom0 = await client(0);
    assert.equal(await dom0.read(`${HOME}/grant-refs`), '8-9');
    assert.equal(await dom0.read('/local/domain/0/data/memtide/5/state'), '4');
    await front.side.close();
    await back.told.until((text) => text === 'the front end is closing');
    assert.deepEqual([front.told.seen.at(-1), back.mapped.size], ['closed', 0]);
    assert.equal(await dom0.read(`${HOME}/state`), '6');
    await back.side.close();
    assert.equal(await dom0.read('/local/domain/0/data/memtide/5/state'), '6');
  });

  it('shows the back end’s node to its guest alone', async (test) => {
    const { backend, guest, client } = await place(test);
    await guest(6, 'infotainment');
    const back = await backend(66);
    const [dom0, five, six] = [await client(0), await client(5), await client(6)];
    const state = '/local/domain/0/data/memtide/5/state';
    const published = new Calls<string>();
    await dom0.watch(state, published.add);
    while ((await dom0.read(state)) === undefined) await published.count(published.seen.length + 1);
    assert.deepEqual([await five.read(state), await six.look(state)], ['2', { kind: 'denied' }]);
    await assert.rejects(five.write(state, '4'), /EACCES/);
    await back.side.close({ gone: true });
    assert.equal(await dom0.read(state), undefined);
  });

  it('connects anew after the back end was killed and has a successor', async (test) => {
    const { backend, frontend } = await place(test);
    const front = await frontend(100);
    const killed = await backend(66);
    await front.told.until((text) => text === 'connected 101');
    await killed.side.stop(); // as SIGKILL leaves it: its node stays as it is
    const successor = await backend(67);
    await front.told.until((text) => text === 'connected 102');
    assert.deepEqual(front.told.seen, ['connected 101', 'another back end is there', 'connected 102']);
    assert.ok(successor.mapped.has(102));
  });

  it('connects anew after the guest’s agent was killed and has a successor', async (test) => {
    const { backend, frontend, daemon } = await place(test);
    const back = await backend(66);
    const killed = await frontend(100);
    await back.told.until((text) => text === 'connected 101');
    await killed.side.stop(); // as SIGKILL leaves it: its node stays as it is
    const successor = await frontend(500);
    await successor.told.until((text) => text === 'connected 501');
    assert.deepEqual([...back.mapped.keys()], [501]);
    assert.match(back.told.seen[1]!, /^the front end (?:is initialising|made another offer)$/);
    assert.equal(daemon.watchCount, 2);
  });

  it('disconnects a guest that was destroyed, and one that died without a word', async (test) => {
    const { backend, frontend, daemon } = await place(test);
    const back = await backend(66);
    const front = await frontend(100);
    await front.told.until((text) => text === 'connected 101');
    back.side.died(101, 'its pages were unmapped');
    await back.told.until((text) => text === 'connected 102');
    daemon.release(5);
    await back.told.until((text) => text === 'the front end is gone');
    assert.deepEqual([back.mapped.size, back.side.phase], [0, 'ready']);
    await back.side.close({ gone: true });
  });

  it('lets a guest go although the connection to xenstored is lost just then, and is asked again to take its node away', async (test) => {
    const { backend, frontend, client, daemon } = await place(test);
    const back = await backend(66);
    const front = await frontend(100);
    await front.told.until((text) => text === 'connected 101');
    daemon.intercept = ({ type }) => {
      if (type !== UNWATCH) return undefined;
      daemon.intercept = () => undefined;
      daemon.disconnect();
      return 'silence';
    };
    let attempts = 0;
    for (let isClosed = false; !isClosed; attempts++) {
      await sleep(1);
      isClosed = await back.side.close({ gone: true }).then(
        () => true,
        () => false,
      );
      assert.deepEqual([back.told.seen, back.mapped.size], [['connected 101', 'closed'], 0]);
    }
    assert.ok(attempts > 1);
    assert.equal(await (await client(0)).read('/local/domain/0/data/memtide/5/state'), undefined);
  });

  it('goes on after the connection to xenstored was lost on both sides', async (test) => {
    const { backend, frontend, daemon } = await place(test);
    const back = await backend(66);
    const front = await frontend(100);
    await front.told.until((text) => text === 'connected 101');
    daemon.disconnect();
    back.side.died(101, 'silence'); // and something is to be said meanwhile
    await front.told.until((text) => text === 'connected 102');
    assert.ok(back.mapped.has(102));
  });

  it('tells the front end why its offer is not taken', async (test) => {
    const { backend, frontend } = await place(test);
    await backend(66, { mapFails: 1 });
    const front = await frontend(100, { againMillis: { first: 60_000, largest: 60_000 } });
    await front.told.until((text) => text === 'refused: no such grant');
    assert.equal(front.side.phase, 'offered');
  });

  it('offers again after a while, longer each time, and tells the same refusal once', async (test) => {
    const { backend, frontend } = await place(test);
    await backend(66, { mapFails: 4 });
    const started = performance.now();
    const front = await frontend(100);
    await front.told.until((text) => text === 'connected 105');
    assert.ok(performance.now() - started >= 5 + 10 + 20 + 20);
    const again = Array.from({ length: 4 }, () => 'another offer is made');
    assert.deepEqual(front.told.seen, ['refused: no such grant', ...again, 'connected 105']);
  });

  it('offers again when a connection comes to nothing in the guest', async (test) => {
    const { backend, frontend } = await place(test);
    const back = await backend(66);
    const front = await frontend(100, { connectFails: 1 });
    await front.told.until((text) => text === 'connected 102');
    assert.deepEqual(front.told.seen, ['problem: no thread', 'another offer is made', 'connected 102']);
    assert.deepEqual([...back.mapped.keys()], [102]);
  });

  for (const [why, happens] of [
    ['the back end was killed', () => {}],
    ['xenstored does not answer', (daemon: FakeXenstored) => (daemon.intercept = () => 'silence')],
    ['xenstored is away', (daemon: FakeXenstored) => daemon.stop()],
  ] as const) {
    it(`withdraws when it is closed, although ${why}`, async (test) => {
      const { backend, frontend, daemon } = await place(test);
      const killed = await backend(66);
      const front = await frontend(100);
      await front.told.until((text) => text === 'connected 101');
      await killed.side.stop(); // as SIGKILL leaves it: its node stays as it is
      await happens(daemon);
      const started = performance.now();
      await front.side.close();
      assert.ok(performance.now() - started < 5000, 'waits for nothing');
      assert.equal(front.side.phase, 'closed');
      assert.equal(front.told.seen.at(-1), 'closed, although the back end did not let go');
      daemon.disconnect();
    });
  }

  it('makes no offer that does not fit into a node, and tries again', async (test) => {
    const { backend, frontend } = await place(test);
    await backend(66);
    const front = await frontend(100, { offer: { grantRefs: [], eventChannel: 12 } });
    const problem = await front.told.until((text) => text.startsWith('problem'));
    assert.match(problem, /cannot offer a control file.*\n.*\n.*0 pages/);
  });

  it('outlives a guest that floods its node with nonsense, and serves it once it is honest', async (test) => {
    const { backend, frontend, client } = await place(test);
    const back = await backend(66);
    const guest = await client(5);
    const nonsense = ['', '-1', '4', '3', '99', 'x'.repeat(2000), '\u0000', '1-4294967295', '8-23', '66', '1'];
    const fields = ['state', 'protocol', 'incarnation', 'backend-incarnation', 'grant-refs', 'event-channel'];
    for (let round = 0; round < 400; round++) {
      const field = fields[(round * 7) % fields.length]!;
      await guest.write(
        `data/memtide/${field}/${round % 3 === 0 ? 'deeper' : ''}`.replace(/\/$/, ''),
        nonsense[(round * 5) % nonsense.length]!,
      );
    }
    await guest.remove('data/memtide');
    const front = await frontend(100);
    await front.told.until((text) => text === 'connected 101');
    assert.deepEqual([...back.mapped.keys()], [101]);
    assert.deepEqual(
      back.told.seen.filter((text) => text.startsWith('problem')),
      [],
    );
  });
});

describe('the domains of the machine', () => {
  it('are known by id and name, in dom0 and in a guest', async (test) => {
    const { client, guest } = await storePlace(test);
    await guest(5, 'cluster');
    await guest(6, 'infotainment');
    const [dom0, five] = [new XenDomains(await client(0)), new XenDomains(await client(5))];
    assert.deepEqual([await dom0.ownDomid(), await five.ownDomid()], [0, 5]);
    assert.deepEqual(
      [await dom0.list(), await dom0.name(6), await five.name(5)],
      [[0, 5, 6], 'infotainment', 'cluster'],
    );
    await guest(9, 'cluster');
    assert.deepEqual([await dom0.domidOf('infotainment'), await dom0.domidOf('cluster')], [6, 9]);
    await assert.rejects(dom0.domidOf('nobody'), /nobody[\s\S]*xl list/);
    await assert.rejects(five.name(6), /EACCES/);
  });

  it('are told of as they come and go', async (test) => {
    const { client, guest, daemon, stopAtEnd } = await storePlace(test);
    await guest(5, 'cluster');
    const told = new Calls<string>();
    const watch = new GuestWatch(
      await client(0),
      {
        appeared: (domid) => told.add(`${domid} is there`),
        gone: (domid) => told.add(`${domid} is gone`),
        problem: (error) => told.add(String(error)),
      },
      TURNS,
    );
    stopAtEnd(watch);
    await watch.start();
    await told.until((text) => text === '5 is there');
    await guest(6, 'infotainment');
    await told.until((text) => text === '6 is there');
    daemon.release(5);
    await told.until((text) => text === '5 is gone');
    assert.deepEqual(told.seen, ['5 is there', '6 is there', '5 is gone']);
    await watch.stop();
  });

  it('are told of again where what was to be done about it has failed', async (test) => {
    const { client, guest, daemon, stopAtEnd } = await storePlace(test);
    await guest(5, 'cluster');
    const told = new Calls<string>();
    let failures = 0;
    const tell = (text: string): void => {
      told.add(text);
      if (failures++ % 2 === 0) throw new Error('xenstored is away');
    };
    const watch = new GuestWatch(
      await client(0),
      {
        appeared: (domid) => tell(`${domid} is there`),
        gone: (domid) => tell(`${domid} is gone`),
        problem: (error) => told.add((error as Error).message),
      },
      TURNS,
    );
    stopAtEnd(watch);
    await watch.start();
    await told.count(3);
    daemon.release(5);
    await told.count(6);
    const away = 'xenstored is away';
    assert.deepEqual(told.seen, ['5 is there', away, '5 is there', '5 is gone', away, '5 is gone']);
  });

  it('have no own id where nobody has written it', async (test) => {
    const { client, daemon } = await storePlace(test);
    const domains = new XenDomains(await client(0));
    daemon.write('/local/domain/0/domid', 'zero');
    await assert.rejects(domains.ownDomid(), /expected: a number\n.*"zero"\n.*xen-init-dom0/);
  });
});
