/** Which broker a command listens to, and with what: options before the configuration, that before a back end here. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { brokerAccess } from '../../../src/commands/broker-access.ts';
import type { CommandIo } from '../../../src/commands/io.ts';
import { parseConfig } from '../../../src/config/load.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-broker-access-'));
after(() => fs.rmSync(folder, { recursive: true }));
const io: CommandIo = {
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  cwd: folder,
  signal: new AbortController().signal,
  interactive: false,
  columns: 80,
};
const config = parseConfig('{ "mqtt": { "url": "mqtts://field:8883", "username": "car" } }', 'memtide.json');
const bare = parseConfig('{}', 'memtide.json');

test('what is asked for goes before what is configured; the first line of a file is the password', async () => {
  fs.writeFileSync(path.join(folder, 'password'), 'secret\nand a note\n');
  fs.writeFileSync(path.join(folder, 'ca.pem'), 'PEM');
  const access = await brokerAccess(
    { broker: 'mqtts://other', username: 'me', passwordFile: 'password', caFile: 'ca.pem', vehicle: 'v1' },
    config,
    io,
  );
  assert.deepEqual(access, {
    url: 'mqtts://other',
    base: 'memtide',
    vehicle: 'v1',
    username: 'me',
    password: 'secret',
    certificateAuthority: 'PEM',
  });
});

test('what is configured holds where nothing is asked for', async () => {
  assert.deepEqual(await brokerAccess({}, config, io), {
    url: 'mqtts://field:8883',
    base: 'memtide',
    username: 'car',
  });
});

test('where nothing names a broker and no back end runs: what was said otherwise, else an error that tells both ways', async () => {
  const runDir = path.join(folder, 'nobody');
  const { url } = await brokerAccess({ runDir }, bare, io, 'mqtt://127.0.0.1:1883');
  assert.equal(url, 'mqtt://127.0.0.1:1883');
  await assert.rejects(
    brokerAccess({ runDir }, bare, io),
    /no back end answers there[\s\S]*--broker mqtt:\/\/HOST:PORT or --config/,
  );
});

test('a malformed address and an unreadable file are told before anything is connected', async () => {
  for (const broker of ['field', 'http://field', 'mqtt://', 'mqtt://me:secret@field', 'mqtt://field/path']) {
    await assert.rejects(
      brokerAccess({ broker }, bare, io),
      /cannot listen to a broker: --broker[\s\S]*mqtt:\/\/HOST/,
      broker,
    );
  }
  await assert.rejects(
    brokerAccess({ broker: 'mqtt://field', passwordFile: 'absent' }, bare, io),
    /cannot read a file for the broker: .*absent[\s\S]*ENOENT/,
  );
});
