/**
 * The spool before a real broker: mosquitto with persistence, which writes it down every half hour, killed and started
 * again; a producer killed and started again; and a disk that is too small. MEMTIDE_SPOOL_RECORDS sets how many records
 * (5,000; 100,000 in CI), MEMTIDE_SPOOL_KILLS how often each of the two is killed (3; 20 in CI).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { driveLines } from '../../src/telemetry/drive/read.ts';
import type { Gap } from '../../src/telemetry/spool/gap.ts';
import { GIB, MIB } from '../../src/units.ts';
import { findMosquitto, freePort, PersistentMosquitto } from '../contract/brokers.ts';
import type { ProducerTask } from './spool-producer.ts';
import { SpoolSink } from './spool-sink.ts';

const PRODUCER = fileURLToPath(new URL('./spool-producer.js', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const RECORDS = Number(process.env.MEMTIDE_SPOOL_RECORDS ?? (process.env.CI ? 100_000 : 5000));
const KILLS = Number(process.env.MEMTIDE_SPOOL_KILLS ?? (process.env.CI ? 20 : 3));
/** Each takes some seconds. */
const RECORDER_KILLS = Math.min(KILLS, 8);
const mosquitto = findMosquitto();

/** The producer through its lives. */
class Producer {
  readonly acknowledged = new Set<number>();
  readonly #task: Omit<ProducerTask, 'from'>;
  #child: ChildProcess | undefined;
  #reported = 0;
  #wanted: { readonly count: number; readonly resolve: () => void } | undefined;
  #allDone: ((status: { dropped: number; gaps: number }) => void) | undefined;
  readonly done = new Promise<{ dropped: number; gaps: number }>((resolve) => {
    this.#allDone = resolve;
  });

  constructor(task: Omit<ProducerTask, 'from'>) {
    this.#task = task;
  }

  start(): void {
    // What was not acknowledged may or may not be in the spool: a producer that cares reports it again.
    const task: ProducerTask = { ...this.#task, from: this.#reported + 1 };
    const child = spawn(process.execPath, [PRODUCER, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#hear(line));
  }

  /** Resolves when so many are acknowledged. */
  async until(count: number): Promise<void> {
    if (this.acknowledged.size >= count) return;
    await new Promise<void>((resolve) => {
      this.#wanted = { count, resolve };
    });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
  }

  #hear(line: string): void {
    if (line.startsWith('all ')) {
      this.#allDone?.(JSON.parse(line.slice(4)));
      return;
    }
    this.acknowledged.add(Number(line));
    this.#reported = Math.max(this.#reported, Number(line));
    if (this.#wanted && this.acknowledged.size >= this.#wanted.count) this.#wanted.resolve();
  }
}

describe('the spool before mosquitto', {
  skip: mosquitto ? false : 'mosquitto is neither on PATH nor in /usr/sbin',
  // Not a claim: what never comes should fail its test rather than hang the run.
  timeout: 1_000_000,
}, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memtide-spool-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test(`${RECORDS} records through ${KILLS} kills of the broker and ${KILLS} of the agent: all acknowledged ones arrive`, async (t) => {
    const broker = new PersistentMosquitto(mosquitto!, folder);
    const port = await freePort();
    const url = `mqtt://127.0.0.1:${port}`;
    await broker.start(port);
    t.after(() => broker.stop());
    const sink = await SpoolSink.join(url);
    t.after(() => sink.leave());
    const producer = new Producer({ folder: join(folder, 'killed'), url, to: RECORDS, capBytes: GIB });
    t.after(() => producer.end('SIGKILL'));
    producer.start();
    for (let kill = 1; kill <= 2 * KILLS; kill++) {
      await producer.until(Math.floor((RECORDS * kill) / (2 * KILLS + 1)));
      if (kill % 2 === 0) {
        await broker.stop();
        await broker.start(port);
      } else {
        await producer.end('SIGKILL');
        producer.start();
      }
    }
    const { dropped, gaps } = await producer.done;
    const { acknowledged } = producer;
    await sink.until(
      () => sink.labels.size >= acknowledged.size && [...acknowledged].every((id) => sink.labels.has(id)),
    );
    assert.equal(acknowledged.size, RECORDS);
    assert.deepEqual([dropped, gaps, sink.gaps.size], [0, 0, 0]);
    t.diagnostic(`${sink.live} live, ${sink.historical} historical, ${sink.duplicates} of them duplicates`);
  });

  test('over the cap, with the broker away: the oldest go, and the gaps say exactly how many', async (t) => {
    const broker = new PersistentMosquitto(mosquitto!, folder);
    const port = await freePort();
    const url = `mqtt://127.0.0.1:${port}`;
    const spool = join(folder, 'full');
    const records = Math.max(10_000, RECORDS / 4);
    const producer = new Producer({ folder: spool, url, to: records, capBytes: MIB });
    t.after(() => producer.end('SIGKILL'));
    producer.start();
    await producer.until(records / 2);
    await producer.end('SIGKILL');
    producer.start();
    const { dropped, gaps: told } = await producer.done;
    const files = await Promise.all((await readdir(spool)).map((name) => stat(join(spool, name))));
    const onDisk = files.reduce((sum, { size }) => sum + size, 0);
    assert.ok(onDisk <= MIB + 8192, `${onDisk} bytes with cursor and lock`);
    await broker.start(port);
    t.after(() => broker.stop());
    const sink = await SpoolSink.join(url);
    t.after(() => sink.leave());
    await sink.until(() => sink.labels.has(records) && sink.watermark > records);
    const gaps = [...sink.gaps.values()];
    assert.ok(gaps.every(({ cause, records, unsent }) => cause === 'cap' && records === unsent));
    const sum = (of: (gap: Gap) => number | undefined) => gaps.reduce((total, gap) => total + (of(gap) ?? 0), 0);
    // Of what is told again, the first telling has gone with its segment.
    assert.equal(
      sum(({ records }) => records),
      dropped,
    );
    assert.ok(dropped > records / 4, `${dropped} of ${records} dropped`);
    assert.equal(sink.messages + dropped + told, sink.watermark, 'every number is a message, a loss or a gap record');
    // What arrives is the newest of it, without a hole.
    const oldest = Math.min(...sink.labels);
    assert.equal(sink.labels.size, records - oldest + 1);
    t.diagnostic(`${dropped} dropped, told by ${told} gap records, ${sink.gaps.size} of which arrived`);
  });

  test(`a recorder of drives that is killed ${RECORDER_KILLS} times: all acknowledged ones are in its files`, async (t) => {
    const broker = new PersistentMosquitto(mosquitto!, folder);
    const port = await freePort();
    const url = `mqtt://127.0.0.1:${port}`;
    await broker.start(port);
    t.after(() => broker.stop());
    const drives = join(folder, 'drives');
    const records = Math.min(RECORDS, 20_000);
    const producer = new Producer({ folder: join(folder, 'recorded'), url, to: records, capBytes: GIB });
    t.after(() => producer.end('SIGKILL'));
    let recorder: ChildProcess | undefined;
    const startRecorder = (): void => {
      const args = ['drive', 'record', '--broker', url, '--dir', drives];
      recorder = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' });
    };
    const killRecorder = async (): Promise<void> => {
      const running = recorder!;
      const exited = once(running, 'exit');
      if (running.kill('SIGKILL')) await exited;
    };
    t.after(killRecorder);
    startRecorder();
    producer.start();
    for (let kill = 1, seen = 0; kill <= RECORDER_KILLS; kill++) {
      let now = await drivesOf(drives);
      while (now.bytes <= seen && now.labels.size < records) {
        await wait(50);
        now = await drivesOf(drives);
      }
      seen = now.bytes;
      await killRecorder();
      startRecorder();
    }
    await producer.done;
    let found = await drivesOf(drives);
    for (; found.labels.size < records; found = await drivesOf(drives)) await wait(200);
    assert.deepEqual([found.labels.size, producer.acknowledged.size], [records, records]);
    t.diagnostic(`${found.files} files, ${found.messages} messages in them`);
  });
});

/** What is in the drives of a folder so far. */
async function drivesOf(
  folder: string,
): Promise<{ files: number; bytes: number; messages: number; labels: Set<string> }> {
  const labels = new Set<string>();
  let [bytes, messages] = [0, 0];
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.jsonl'));
  for (const name of names) {
    bytes += (await stat(join(folder, name))).size;
    for await (const line of driveLines(join(folder, name))) {
      if (line.kind !== 'message' || line.message.report !== 'event/mark') continue;
      messages++;
      labels.add(String(line.message.payload.label));
    }
  }
  return { files: names.length, bytes, messages, labels };
}
