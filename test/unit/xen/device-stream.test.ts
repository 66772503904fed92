import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import koffi from 'koffi';
import { MemtideError } from '../../../src/errors.ts';
import { mkfifo } from '../../../src/native/libc.ts';
import { DeviceStream } from '../../../src/xen/xenstore/device-stream.ts';
import { openXenstore } from '../../../src/xen/xenstore/open.ts';
import { Xenstore } from '../../../src/xen/xenstore/xenstore.ts';
import { Calls } from '../../fakes/store-place.ts';
import { FakeXenstored } from '../../fakes/xenstored.ts';

const AF_UNIX = 1;
const SOCK_STREAM_NONBLOCK = 0o4001;
const socketpair = koffi.load(null).func('int socketpair(int, int, int, _Out_ int *)');

/** A descriptor that is read and written like the device, and the stream of its other end. */
function pair(): { readonly device: number; readonly peer: net.Socket } {
  const ends = new Int32Array(2);
  assert.equal(socketpair(AF_UNIX, SOCK_STREAM_NONBLOCK, 0, ends), 0);
  return { device: ends[0]!, peer: new net.Socket({ fd: ends[1]! }) };
}

async function guest(test: TestContext, { events = {} } = {}) {
  const daemon = new FakeXenstored();
  daemon.introduce(5, 'cluster');
  const store = new Xenstore({
    open: async () => {
      const { device, peer } = pair();
      daemon.attach(peer, 5);
      return new DeviceStream('/dev/xen/xenbus', device);
    },
    events,
    reconnectMillis: { first: 1, largest: 8 },
  });
  test.after(async () => {
    await store.close();
    await daemon.stop();
  });
  await store.start();
  return { daemon, store };
}

describe('the way through the kernel’s device', () => {
  it('carries requests, watches and transactions', async (test) => {
    const { store } = await guest(test);
    assert.equal(await store.read('domid'), '5');
    const told = new Calls<string>();
    await store.watch('data', told.add);
    const result = await store.transaction(async (within) => {
      await within.write('data/a', '1');
      return await within.list('data');
    });
    assert.deepEqual(result, { ok: true, value: ['a'] });
    assert.deepEqual(await told.count(2), ['data', 'data/a']);
  });

  it('has room for 16 bytes less than a socket', async (test) => {
    const { daemon, store } = await guest(test);
    const value = 'x'.repeat(4080 - 'data\0'.length);
    daemon.intercept = ({ payload }) => (payload.length === 4080 ? undefined : assert.fail(`${payload.length} bytes`));
    await assert.rejects(store.write('data', value), /ENOSPC/); // it got there
    await assert.rejects(store.write('data', `${value}x`), /at most 4080 bytes\n.*4081/);
    daemon.intercept = () => undefined;
  });

  it('does not drown in what it is sent while the main thread is busy', async (test) => {
    const { daemon, store } = await guest(test);
    const told = new Calls<string>();
    await store.watch('data', told.add);
    for (let change = 0; change < 5000; change++) daemon.write('/local/domain/5/data/a', String(change));
    assert.equal((await told.count(5001)).length, 5001);
  });

  it('comes back with its watches when it is lost', async (test) => {
    const told = new Calls<string>();
    const { daemon, store } = await guest(test, {
      events: { lost: (error: MemtideError) => told.add(error.message), restored: () => told.add('restored') },
    });
    await store.watch('data', told.add);
    daemon.disconnect();
    // It is restored once the answer to the watch is there; the event may come before or after.
    const [first, lost, ...rest] = await told.count(4);
    assert.match(lost!, /xenstored closed the connection/);
    assert.deepEqual([first, ...[...rest].sort()], ['data', 'data', 'restored']);
  });

  it('takes the errno of a write for the answer to it', async (test) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-device-'));
    test.after(() => fs.rmSync(folder, { recursive: true }));
    const fifo = path.join(folder, 'fifo');
    mkfifo(fifo, 0o600);
    const readOnly = new DeviceStream(fifo, fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
    const told = new Calls<string>();
    readOnly.start({ data: () => {}, refused: told.add, ended: told.add });
    readOnly.send(Buffer.alloc(16));
    assert.deepEqual(await told.count(1), ['EBADF']);
    await Promise.all([readOnly.close(), readOnly.close()]);
  });
});

describe('reaching xenstored', () => {
  it('names every place that was tried, and why it was not that', async () => {
    await assert.rejects(
      openXenstore([
        { path: '/nowhere/socket', kind: 'socket' },
        { path: '/nowhere/xenbus', kind: 'device' },
      ]),
      (error: unknown) =>
        error instanceof MemtideError &&
        /\/nowhere\/socket: not there; \/nowhere\/xenbus: not there/.test(error.message),
    );
  });
});
