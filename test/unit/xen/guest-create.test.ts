/** `memtide guest create`: the memory first, then the toolstack's stand-in. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { askBackendSocket, guestCreateCommand } from '../../../src/commands/guest.ts';
import type { BackendReply, RoomCall } from '../../../src/coordination/agent-protocol.ts';
import { serveLines } from '../../../src/coordination/line-server.ts';
import { RunFiles } from '../../../src/coordination/run-files.ts';
import { SocketLinkServer } from '../../../src/coordination/socket-link-server.ts';
import { EXIT } from '../../../src/errors.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { MIB } from '../../../src/units.ts';
import { parseGuestConfig } from '../../../src/xen/guest-config.ts';
import { fakeIo } from '../../fakes/io.ts';

const CONFIG = 'name = "cluster"\nmemory = 256\nmaxmem = 256\nvcpus = 1\n';

/** A back end that answers as it is told to; none when it is told nothing. */
async function place(t: TestContext, answer?: BackendReply) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-guest-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'cluster.cfg');
  fs.writeFileSync(file, CONFIG);
  const asked: object[] = [];
  if (answer) {
    const server = net.createServer((socket) => {
      serveLines(socket, (call) => {
        asked.push(call);
        return answer;
      });
    });
    server.listen(new RunFiles(folder).backendSocket);
    await once(server, 'listening');
    t.after(() => server.close());
  }
  const bin = path.join(packageRoot(), 'test/fakes/bin');
  const io = fakeIo({ cwd: folder, env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, FAKE_XL: folder } });
  const create = (named = 'cluster.cfg') => guestCreateCommand({ file: named, runDir: folder, wait: 0.5 }, io);
  const xl = (): string => {
    const log = path.join(folder, 'log');
    return fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '';
  };
  return { folder, file, create, xl, asked, io };
}

test('what the guest is created with is asked for, and the guest is created once it is there', async (t) => {
  const { create, xl, asked, file } = await place(t, { ok: true, room: true });
  assert.equal(await create(), 0);
  assert.deepEqual(asked, [
    { op: 'room', byteLength: 256 * MIB, waitMillis: 500, holdMillis: 120_000, guest: 'cluster' },
  ]);
  assert.equal(xl(), `xl create ${file}\n`);
});

test('memory that does not come, and a back end that knows no guests: nothing is created, and why is said', async (t) => {
  const short = await place(t, { ok: true, room: false });
  await assert.rejects(short.create(), /256 MiB within 0\.5 s[\s\S]*hold too much[\s\S]*--wait/);
  assert.equal(short.xl(), '');
  const other = await place(t, { ok: false, error: 'room: no domain of the configuration is a guest of Xen' });
  await assert.rejects(other.create(), /no domain of the configuration is a guest/);
  assert.equal(other.xl(), '');
});

test('no back end: nobody holds memory that could be collected, and the toolstack is left to it', async (t) => {
  const { create, xl, file, io } = await place(t);
  assert.equal(await create(), 0);
  assert.match(io.errors(), /no back end runs/);
  assert.equal(xl(), `xl create ${file}\n`);
});

test('a toolstack that refuses, and a config that is not there, end with their own codes', async (t) => {
  const { create, folder, file } = await place(t);
  fs.writeFileSync(path.join(folder, 'empty.cfg'), 'name = "empty"\n');
  await assert.rejects(create('empty.cfg'), /memory = MIB/);
  await assert.rejects(create('missing.cfg'), { exitCode: EXIT.usage });
  fs.writeFileSync(path.join(folder, 'xl'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  const io = fakeIo({ cwd: folder, env: { PATH: folder } });
  assert.equal(await guestCreateCommand({ file, runDir: folder, wait: 1 }, io), 3);
});

test('sizes and times that are none are refused by the back end before anybody collects anything', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-room-'));
  const asked: RoomCall[] = [];
  const nobody = { admit: () => ({ ok: false as const, error: 'nobody' }), joined() {}, left() {}, call() {} };
  const server = new SocketLinkServer(path.join(folder, 'back'), nobody, {
    status: () => 'fine',
    room: async (call) => asked.push(call) > 0,
  });
  await server.start();
  t.after(async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true });
  });
  const ask = (call: object) => askBackendSocket(path.join(folder, 'back'), { op: 'room', ...call }, 5000);
  for (const byteLength of [undefined, -1, 1.5, 2 ** 60, '1', null])
    assert.match(JSON.stringify(await ask({ byteLength, waitMillis: 1, holdMillis: 1 })), /whole numbers/);
  assert.deepEqual(asked, []);
  assert.deepEqual(await ask({ byteLength: 1, waitMillis: 2, holdMillis: 3, other: 4 }), { ok: true, room: true });
  assert.deepEqual(asked, [{ byteLength: 1, waitMillis: 2, holdMillis: 3 }]);
  assert.match(JSON.stringify(await ask({ byteLength: 1, waitMillis: 2, holdMillis: 3, guest: 4 })), /must be a name/);
  await ask({ byteLength: 1, waitMillis: 2, holdMillis: 3, guest: 'cluster' });
  assert.deepEqual(asked[1], { byteLength: 1, waitMillis: 2, holdMillis: 3, guest: 'cluster' });
});

test('a back end that does not answer is not waited for longer than was said', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-silent-'));
  const server = net.createServer((socket) => socket.resume());
  server.listen(path.join(folder, 'back'));
  await once(server, 'listening');
  t.after(() => {
    server.close();
    fs.rmSync(folder, { recursive: true });
  });
  await assert.rejects(askBackendSocket(path.join(folder, 'back'), { op: 'room' }, 50), /an answer within 0\.05 s/);
});

test('of a domain config the larger of memory and maxmem counts, whatever stands around them', () => {
  const mib = (text: string): number => parseGuestConfig(text, 'a.cfg').memoryMib;
  const name = (text: string): string | undefined => parseGuestConfig(`${text}\nmemory = 1`, 'a.cfg').name;
  assert.deepEqual(["name='a-1' # A", ' name = "b"', 'hostname = "c"', 'name = f()'].map(name), [
    'a-1',
    'b',
    undefined,
    undefined,
  ]);
  assert.equal(mib('memory=128'), 128);
  assert.equal(mib('# memory = 64\n  memory = "128"  # boots with it\nmaxmem = 512;\n'), 512);
  assert.equal(mib('xmemory = 1\nmemory = 128\nmaxmem = 64\n'), 128);
  for (const text of ['', 'memory = 0', 'memory = lots', '#memory = 12'])
    assert.throws(() => mib(text), /a\.cfg[\s\S]*memory = MIB/);
});
