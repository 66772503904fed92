import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { EXIT, MemtideError } from '../../../src/errors.ts';
import { EmbeddedBroker } from '../../../src/telemetry/broker.ts';
import { brokerAddress, streamOpener } from '../../../src/telemetry/connection.ts';

test('a port that is taken is an error that names it and the ways out', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const broker = new EmbeddedBroker({ host: '127.0.0.1', port });
  await assert.rejects(broker.start(), (error: unknown) => {
    assert.ok(error instanceof MemtideError);
    assert.equal(error.exitCode, EXIT.unavailable);
    assert.match(
      error.message,
      new RegExp(`127\\.0\\.0\\.1:${port}[\\s\\S]*another program listens[\\s\\S]*mqtt\\.url`),
    );
    return true;
  });
  assert.throws(() => broker.address, /not running/);
});

test('port 0 takes a free port, and a stopped broker gives it back', async () => {
  const first = new EmbeddedBroker({ host: '127.0.0.1', port: 0 });
  const { port } = brokerAddress(await first.start());
  await first.stop();
  const second = new EmbeddedBroker({ host: '127.0.0.1', port });
  assert.equal(await second.start(), `mqtt://127.0.0.1:${port}`);
  await second.stop();
});

test('the address of a broker has the port of its protocol where none is given', () => {
  assert.deepEqual(brokerAddress('mqtt://box'), { secure: false, host: 'box', port: 1883 });
  assert.deepEqual(brokerAddress('mqtts://box.example'), { secure: true, host: 'box.example', port: 8883 });
  assert.deepEqual(brokerAddress('mqtt://[::1]:99'), { secure: false, host: '::1', port: 99 });
});

const openssl = ['/usr/bin/openssl', '/usr/local/bin/openssl'].find((file) => existsSync(file));

test('over TLS, a broker is believed only if its certificate comes from the given authority', {
  skip: openssl ? false : 'openssl is not installed',
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'memtide-tls-'));
  t.after(() => rm(folder, { recursive: true }));
  const [keyFile, certificateFile] = [join(folder, 'key'), join(folder, 'certificate')];
  await promisify(execFile)(openssl!, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', '/CN=broker', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificateFile],
  ]);
  const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certificateFile, 'utf8')]);
  const server = createTlsServer({ key, cert }, (socket) => socket.end('hello'));
  server.on('tlsClientError', () => {});
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = { secure: true, host: '127.0.0.1', port: (server.address() as { port: number }).port };

  const trusted = (await streamOpener(address, cert))();
  assert.equal(String((await once(trusted, 'data'))[0]), 'hello');
  const unknown = (await streamOpener(address))();
  const [error] = await once(unknown, 'error');
  assert.match(String(error.code), /SELF_SIGNED/);
});
