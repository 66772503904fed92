import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemtideError } from '../../../src/errors.ts';
import { Calls, storePlace } from '../../fakes/store-place.ts';

const says = (pattern: RegExp) => (error: unknown) => error instanceof MemtideError && pattern.test(error.message);

describe('the tree of xenstore', () => {
  it('is written, read, listed and removed', async (test) => {
    const { client } = await storePlace(test);
    const store = await client(0);
    await store.write('/tool/memtide/a', 'grüße\n');
    await store.mkdir('/tool/memtide/b');
    await store.mkdir('/tool/memtide/a');
    assert.equal(await store.read('/tool/memtide/a'), 'grüße\n');
    assert.equal(await store.read('/tool/memtide/b'), '');
    assert.equal(await store.read('/tool/memtide/c'), undefined);
    assert.deepEqual(await store.list('/tool/memtide'), ['a', 'b']);
    assert.deepEqual(await store.list('/tool/memtide/a'), []);
    assert.equal(await store.list('/nowhere'), undefined);
    await store.remove('/tool/memtide');
    await store.remove('/tool/memtide');
    await store.remove('/no/parent/either');
    assert.equal(await store.read('/tool/memtide/a'), undefined);
  });

  it('lists more children than one message holds', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    const names = Array.from({ length: 1500 }, (_, index) => `child-${index}`);
    for (const name of names) daemon.tree.write(`/many/${name}`, 0, Buffer.alloc(0));
    assert.deepEqual(await store.list('/many'), names);
  });

  it('begins a long listing again when it changes in between', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    for (let index = 0; index < 1500; index++) daemon.tree.write(`/many/child-${index}`, 0, Buffer.alloc(0));
    let parts = 0;
    daemon.intercept = ({ type }) => {
      if (type === 22 && ++parts === 2) daemon.tree.remove('/many/child-0', 0);
      return undefined;
    };
    const listed = await store.list('/many');
    assert.equal(listed?.length, 1499);
    assert.ok(parts > 5);
  });

  it('gives up on a long listing that never stands still', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    for (let index = 0; index < 1500; index++) daemon.tree.write(`/many/child-${index}`, 0, Buffer.alloc(0));
    let next = 1500;
    daemon.intercept = ({ type }) => {
      if (type === 22) daemon.tree.write(`/many/child-${next++}`, 0, Buffer.alloc(0));
      return undefined;
    };
    await assert.rejects(store.list('/many'), says(/EAGAIN/));
  });

  it('keeps guests apart by its permissions', async (test) => {
    const { client, guest } = await storePlace(test);
    await guest(5, 'cluster');
    await guest(6, 'infotainment');
    const [dom0, five, six] = [await client(0), await client(5), await client(6)];
    await five.write('data/memtide/state', '1');
    assert.equal(await dom0.read('/local/domain/5/data/memtide/state'), '1');
    assert.deepEqual(await six.look('/local/domain/5/data/memtide/state'), { kind: 'denied' });
    await assert.rejects(six.read('/local/domain/5/data/memtide/state'), says(/EACCES: this domain may not/));
    await assert.rejects(five.write('/local/domain/5/name', 'dom0'), says(/write a xenstore node: \/local\/domain\/5/));
    assert.deepEqual(await five.permissions('data/memtide'), [{ domid: 5, access: 'none' }]);
    await five.setPermissions('data/memtide/state', [
      { domid: 5, access: 'none' },
      { domid: 6, access: 'read' },
    ]);
    assert.equal(await six.read('/local/domain/5/data/memtide/state'), '1');
    // Whether there is such a node below what it may not read, it is not told.
    assert.deepEqual(await six.look('/local/domain/5/data/memtide/no'), { kind: 'denied' });
  });

  it('knows the domains', async (test) => {
    const { client, guest } = await storePlace(test);
    await guest(5, 'cluster');
    const dom0 = await client(0);
    assert.equal(await dom0.domainPath(5), '/local/domain/5');
    assert.deepEqual([await dom0.isIntroduced(5), await dom0.isIntroduced(7)], [true, false]);
  });

  it('refuses a bad path and a value too long before it asks', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    daemon.intercept = () => assert.fail('asked');
    await assert.rejects(store.write('/a//b', 'x'), says(/doubled/));
    await assert.rejects(store.read('@releaseDomain'), says(/only be watched/));
    await assert.rejects(store.write('/a', 'x'.repeat(4094)), says(/at most 4096 bytes\n.*4097/));
    daemon.intercept = () => undefined;
    await store.write('/a', 'x'.repeat(4093));
    assert.equal((await store.read('/a'))?.length, 4093);
  });

  it('explains every refusal', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    daemon.intercept = () => 'EQUOTA';
    await assert.rejects(store.mkdir('/a'), says(/create a xenstore node: \/a\n.*EQUOTA: a quota .*\n.*remove nodes/));
    daemon.intercept = () => 'EWHATEVER';
    await assert.rejects(store.mkdir('/a'), says(/EWHATEVER: a refusal that memtide does not know/));
  });
});

describe('a transaction', () => {
  it('is seen by others as a whole and told to watches at its end', async (test) => {
    const { client } = await storePlace(test);
    const [writer, reader] = [await client(0), await client(0)];
    const told = new Calls<string>();
    await reader.watch('/tool/t', told.add);
    await told.count(1);
    const result = await writer.transaction(async (within) => {
      await within.write('/tool/t/a', '1');
      assert.equal(await within.read('/tool/t/a'), '1');
      assert.equal(await reader.read('/tool/t/a'), undefined);
      assert.equal(told.seen.length, 1);
      await within.write('/tool/t/b', '2');
      return 'done';
    });
    assert.deepEqual(result, { ok: true, value: 'done' });
    assert.equal(await reader.read('/tool/t/a'), '1');
    await told.until((path) => path === '/tool/t/b');
  });

  it('is tried again when others wrote what it had read', async (test) => {
    const { client, daemon } = await storePlace(test);
    const [one, other] = [await client(0), await client(0)];
    await one.write('/tool/n', '1');
    let attempts = 0;
    const result = await one.transaction(async (within) => {
      const before = Number(await within.read('/tool/n'));
      if (++attempts === 1) await other.write('/tool/n', '10');
      await within.write('/tool/n', String(before + 1));
    });
    assert.equal(result.ok, true);
    assert.deepEqual([attempts, await one.read('/tool/n'), daemon.transactionCount], [2, '11', 0]);
  });

  it('loses no count although four clients count at once', async (test) => {
    const { client } = await storePlace(test);
    const clients = [await client(0), await client(0), await client(0), await client(0)];
    const counted = await Promise.all(
      clients.map(async (store) => {
        let done = 0;
        for (let round = 0; round < 10; round++) {
          const result = await store.transaction(async (within) => {
            await within.write('/tool/n', String(Number((await within.read('/tool/n')) ?? '0') + 1));
          });
          if (result.ok) done++;
        }
        return done;
      }),
    );
    assert.equal(
      Number(await clients[0]!.read('/tool/n')),
      counted.reduce((sum, done) => sum + done, 0),
    );
  });

  it('ends as a conflict after a number of attempts', async (test) => {
    const { client, daemon } = await storePlace(test);
    const [one, other] = [await client(0), await client(0)];
    let written = 0;
    const result = await one.transaction(
      async (within) => {
        await within.read('/tool/n');
        await other.write('/tool/n', String(++written));
        await within.write('/tool/n', 'mine');
      },
      { attempts: 3 },
    );
    assert.deepEqual(result, { ok: false, attempts: 3 });
    assert.deepEqual([await one.read('/tool/n'), daemon.transactionCount], ['3', 0]);
  });

  it('is undone by what its body throws, and cannot be used after its end', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    let kept: { read(path: string): Promise<unknown> } | undefined;
    await assert.rejects(
      store.transaction(async (within) => {
        kept = within;
        await within.write('/tool/n', '1');
        throw new Error('changed my mind');
      }),
      /changed my mind/,
    );
    assert.deepEqual([await store.read('/tool/n'), daemon.transactionCount], [undefined, 0]);
    await assert.rejects(kept!.read('/tool/n'), says(/transaction that has ended/));
  });

  it('that loses its connection says that nothing is stored', async (test) => {
    const { client, daemon } = await storePlace(test);
    const back = new Calls<string>();
    const store = await client(0, { events: { restored: () => back.add('back') } });
    await assert.rejects(
      store.transaction(async (within) => {
        await within.write('/tool/n', '1');
        daemon.disconnect();
        await within.write('/tool/n', '2');
      }),
      says(/WRITE.*\n.*lost before an answer in a transaction, of which nothing is stored/),
    );
    await back.count(1);
    assert.equal(await store.read('/tool/n'), undefined);
  });
});

describe('a watch', () => {
  it('fires once when it is set, whether or not there is such a node', async (test) => {
    const { client } = await storePlace(test);
    const store = await client(0);
    const told = new Calls<string>();
    await store.watch('/not/yet', told.add);
    assert.deepEqual(await told.count(1), ['/not/yet']);
    await store.write('/not/yet/there', '1');
    await store.write('/not/elsewhere', '1');
    await store.remove('/not');
    assert.deepEqual(await told.count(3), ['/not/yet', '/not/yet/there', '/not/yet']);
  });

  it('on a relative path tells relative paths', async (test) => {
    const { client, guest } = await storePlace(test);
    await guest(5, 'cluster');
    const store = await client(5);
    const told = new Calls<string>();
    await store.watch('data/memtide', told.add);
    await store.write('data/memtide/state', '1');
    assert.deepEqual(await told.count(2), ['data/memtide', 'data/memtide/state']);
  });

  it('tells nothing after it was closed', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    const told = new Calls<string>();
    const watch = await store.watch('/tool', told.add);
    await told.count(1);
    await Promise.all([store.write('/tool/a', '1'), watch.close()]);
    const after = told.seen.length;
    await store.write('/tool/a', '2');
    await store.read('/tool/a');
    await watch.close();
    assert.deepEqual([told.seen.length, daemon.watchCount], [after, 0]);
  });

  it('is told of domains that come and go', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    const told = new Calls<string>();
    await store.watch('@introduceDomain', told.add);
    await store.watch('@releaseDomain', told.add);
    daemon.introduce(5, 'cluster');
    daemon.release(5);
    assert.equal((await told.count(4)).length, 4);
  });

  it('that is refused leaves nothing behind', async (test) => {
    const { client, daemon } = await storePlace(test);
    const store = await client(0);
    daemon.intercept = ({ type }) => (type === 4 ? 'ENOSPC' : undefined);
    await assert.rejects(
      store.watch('/tool', () => assert.fail('called')),
      says(/watch a xenstore node: \/tool\n.*quota/),
    );
    daemon.intercept = () => undefined;
    await store.write('/tool/a', '1');
  });
});

describe('a connection that is lost', () => {
  it('comes back with its watches, which fire once more and may read at once', async (test) => {
    const { client, daemon } = await storePlace(test);
    const losses = new Calls<MemtideError>();
    const store = await client(0, { events: { lost: losses.add } });
    const told = new Calls<string>();
    await store.watch('/tool', (path) => void store.read('/tool/n').then((value) => told.add(`${path} ${value}`)));
    await told.count(1);
    daemon.disconnect();
    await losses.count(1);
    daemon.write('/tool/n', 'meanwhile');
    assert.deepEqual(await told.count(2), ['/tool undefined', '/tool meanwhile']);
    await store.write('/tool/n', '2');
    await told.until((text) => text === '/tool/n 2');
    assert.equal(daemon.watchCount, 1);
  });

  it('is tried again until xenstored is back, and refuses requests meanwhile', async (test) => {
    const { client, daemon, socketOf } = await storePlace(test);
    const told = new Calls<string>();
    const store = await client(0, {
      events: { lost: () => told.add('lost'), restored: () => told.add('restored') },
    });
    await daemon.stop();
    await told.count(1);
    await assert.rejects(store.read('/tool'), says(/ask xenstored\n.*closed the connection/));
    assert.equal(store.isUp, false);
    await daemon.listen(socketOf(0), 0);
    assert.deepEqual(await told.count(2), ['lost', 'restored']);
    assert.equal(await store.read('/tool'), '');
  });

  it('drops a watch that is refused when it is set again, and says so', async (test) => {
    const { client, daemon } = await storePlace(test);
    const told = new Calls<string>();
    const store = await client(0, {
      events: { watchLost: (path) => told.add(path), restored: () => told.add('restored') },
    });
    await store.watch('/tool', () => {});
    daemon.intercept = ({ type }) => (type === 4 ? 'EINVAL' : undefined);
    daemon.disconnect();
    assert.deepEqual(await told.count(2), ['/tool', 'restored']);
  });

  it('is one whose xenstored does not answer in time', async (test) => {
    const { client, daemon } = await storePlace(test);
    const losses = new Calls<MemtideError>();
    const store = await client(0, { replyMillis: 20, events: { lost: losses.add } });
    daemon.intercept = () => 'silence';
    await assert.rejects(store.read('/tool'), says(/READ/));
    assert.match((await losses.count(1))[0]!.message, /an answer to READ within 20 ms/);
    daemon.intercept = () => undefined;
  });

  it('is not one that xenstored was too busy to accept at once', async (test) => {
    const { client } = await storePlace(test);
    const stores = await Promise.all(Array.from({ length: 10 }, () => client(0)));
    assert.deepEqual(new Set(stores.map(({ isUp }) => isUp)), new Set([true]));
  });

  it('that cannot be opened at first is an error of the start', async (test) => {
    const { client } = await storePlace(test);
    await assert.rejects(client(9), /ENOENT/);
  });
});
