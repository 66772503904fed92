/** Which guest has which name, as xenstore's stand-in tells it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { GuestNames } from '../../../src/xen/guest-names.ts';
import { Calls, storePlace } from '../../fakes/store-place.ts';

async function place(t: TestContext, there: Readonly<Record<number, string>> = {}) {
  const store = await storePlace(t);
  for (const [domid, name] of Object.entries(there)) store.daemon.introduce(Number(domid), name);
  const losses = new Calls<Error>();
  const client = await store.client(0, { events: { lost: losses.add } });
  const changes = new Calls<number>();
  const names = new GuestNames(
    client,
    () => changes.add(changes.seen.length),
    () => {},
  );
  await names.start();
  store.stopAtEnd(names);
  /** Resolves once the name belongs to that domain; every change is a reason to look again. */
  const until = async (name: string, domid: number | undefined): Promise<void> => {
    for (let seen = changes.seen.length; names.domidOf(name) !== domid; seen = changes.seen.length)
      await changes.count(seen + 1);
  };
  return { daemon: store.daemon, names, losses, until };
}

test('who is there already is known from the start, and has not come', async (t) => {
  const { names } = await place(t, { 1: 'cluster', 2: 'infotainment' });
  assert.deepEqual([names.domidOf('cluster'), names.domidOf('infotainment')], [1, 2]);
});

test('a guest that is created again has another id, and is told apart from the one before', async (t) => {
  const { daemon, names, until } = await place(t);
  daemon.introduce(1, 'cluster');
  await until('cluster', 1);
  daemon.introduce(2, 'infotainment');
  await until('infotainment', 2);
  daemon.introduce(3, 'cluster'); // before the first is gone: the toolstack ends it in the background
  await until('cluster', 3);
  daemon.release(1);
  daemon.release(2);
  await until('infotainment', undefined);
  assert.equal(names.domidOf('cluster'), 3);
});

test('who came and went while the connection to xenstored was lost is known once it is back', async (t) => {
  const { daemon, names, losses, until } = await place(t);
  daemon.introduce(1, 'cluster');
  daemon.introduce(2, 'infotainment');
  await until('cluster', 1);
  await until('infotainment', 2);
  daemon.disconnect();
  daemon.release(1);
  daemon.introduce(4, 'cluster');
  daemon.release(2);
  await losses.count(1);
  await until('cluster', 4);
  await until('infotainment', undefined);
  assert.equal(names.domidOf('cluster'), 4);
});
