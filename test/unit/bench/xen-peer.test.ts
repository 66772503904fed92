/** The programs of the bench under Xen call each other, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { Peer } from '../../../src/evaluation/bench/xen/peer.ts';

async function pair(handlers: ConstructorParameters<typeof Peer>[1]) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [[socket]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  server.close();
  return { caller: new Peer(client), called: new Peer(socket as net.Socket, handlers), socket: socket as net.Socket };
}

test('calls are answered by number, whatever order they end in', async () => {
  let release: (value: string) => void = () => {};
  const slow = new Promise<string>((resolve) => {
    release = resolve;
  });
  const { caller, called } = await pair({ slow: () => slow, add: ({ a, b }: { a: number; b: number }) => a + b });
  const first = caller.call<string>('slow');
  assert.equal(await caller.call('add', { a: 2, b: 3 }), 5);
  release('late');
  assert.equal(await first, 'late');
  caller.end();
  called.end();
  await caller.gone;
});

test('what fails there fails here, with its reason; so does what nothing is called, and an end in between', async () => {
  const { caller, socket } = await pair({
    fail: () => {
      throw new Error('no donor');
    },
    never: () => new Promise(() => {}),
  });
  await assert.rejects(caller.call('fail'), /no donor/);
  await assert.rejects(caller.call('constructor'), /nothing here is called constructor/);
  const waiting = caller.call('never');
  socket.destroy();
  await assert.rejects(waiting, /gone/);
  await caller.gone;
  await assert.rejects(caller.call('never'), /gone/, 'nobody answers any more');
});
