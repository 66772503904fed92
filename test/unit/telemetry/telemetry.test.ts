import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { checkConfig } from '../../../src/config/load.ts';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { readBurstLog } from '../../../src/telemetry/burst-log-reader.ts';
import { Telemetry, type TelemetryOptions } from '../../../src/telemetry/telemetry.ts';

function telemetry(t: TestContext, input: ConfigInput, options: Partial<TelemetryOptions> = {}) {
  const problems: string[] = [];
  const made = new Telemetry({
    config: checkConfig(input),
    domain: 'cluster',
    birth: { memtide: '0.1.0', node: process.version, kernel: '6.1.0', arch: process.arch, mode: 'split' },
    embedded: 'host',
    clock: systemClock,
    procRoot: '/proc',
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  t.after(() => made.stop());
  return { telemetry: made, problems };
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'memtide-telemetry-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('one agent hosts the broker, another joins it', async (t) => {
  const host = telemetry(t, { mqtt: { embedded: { port: 0 } } });
  await host.telemetry.start();
  const { brokerUrl } = host.telemetry.status();
  const guest = telemetry(t, {}, { domain: 'infotainment', embedded: { join: brokerUrl! } });
  await guest.telemetry.start();
  assert.equal(guest.telemetry.status().brokerUrl, brokerUrl);
  assert.deepEqual([host.problems, guest.problems], [[], []]);
});

test('neither broker nor uplink keeps a table of packet numbers, the largest part of a small agent', async (t) => {
  const fromMqtt = createRequire(import.meta.resolve('mqtt'));
  const { cache } = fromMqtt('mqtt-packet/numbers') as { cache: Readonly<Record<number, Buffer>> };
  const { telemetry: made } = telemetry(t, { mqtt: { embedded: { port: 0 } } });
  await made.start();
  while (made.status().uplink?.inFlight !== 0 || made.status().uplink?.state !== 'connected') await nextTurn();
  assert.equal(Object.keys(cache).length, 0);
});

test('with the port taken the log still runs, and the problem is said once', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const { telemetry: made, problems } = telemetry(t, { log_dir: await folderFor(t), mqtt: { embedded: { port } } });
  const reporter = await made.start();
  reporter.mark('command', 'alone');
  const { log, uplink } = made.status();
  await made.stop();
  assert.equal(uplink, undefined);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /another program listens there/);
  const { value: line } = await readBurstLog(log!.file!).next();
  assert.ok(line?.ok && line.report === 'event/mark' && line.payload.label === 'alone');
});

test('with no broker and no log there is nothing to start, and reporting is harmless', async (t) => {
  const { telemetry: made, problems } = telemetry(t, { mqtt: { embedded: { enabled: false } } });
  (await made.start()).mark('gpio');
  assert.deepEqual([made.status(), problems], [{}, []]);
});

test('a log folder and a password that cannot be read are each said, with the key to correct', async (t) => {
  const folder = await folderFor(t);
  await writeFile(join(folder, 'file'), '');
  const { telemetry: made, problems } = telemetry(t, {
    log_dir: join(folder, 'file/logs'),
    mqtt: { url: 'mqtt://127.0.0.1:1', username: 'u', password_file: join(folder, 'nowhere') },
  });
  await made.start();
  assert.equal(problems.length, 2);
  assert.match(problems[0] ?? '', /log_dir/);
  assert.match(problems[1] ?? '', /ENOENT[\s\S]*mqtt\.password_file/);
});

test('with a spool, what was reported with the broker away is there for the next start, and is shown', async (t) => {
  const dir = join(await folderFor(t), 'spool');
  const input = { mqtt: { url: 'mqtt://127.0.0.1:1' }, spool: { dir } };
  const first = telemetry(t, input);
  const reporter = await first.telemetry.start();
  reporter.mark('command', 'kept');
  await first.telemetry.stop();
  const second = telemetry(t, input);
  await second.telemetry.start();
  const { spool } = second.telemetry.status();
  assert.deepEqual([spool?.unsent, spool?.unconfirmed, spool?.dropped, spool?.gaps], [1, 1, 0, 0]);
  assert.deepEqual(await readdir(dir), ['cluster'], 'each domain has a folder of its own');
  const third = telemetry(t, input);
  await third.telemetry.start();
  assert.match(third.problems.join(), /another process has it open/);
  assert.equal(third.telemetry.status().uplink?.state, 'connecting', 'the uplink runs without');
});
