/**
 * What an agent does with a spool, without the rest of an agent: reports marks as fast as they are acknowledged, and tells
 * each acknowledgement on standard output. It is killed in the middle of it, again and again.
 * Arguments, as JSON: folder, url, from, to, capBytes.
 */
import { writeSync } from 'node:fs';
import os from 'node:os';
import { systemClock } from '../../src/clock.ts';
import { Publisher } from '../../src/telemetry/publisher.ts';
import { Reporter } from '../../src/telemetry/reporter.ts';
import { openSpool } from '../../src/telemetry/spool/open-spool.ts';
import { readBootId, Stamper } from '../../src/telemetry/stamp.ts';

export interface ProducerTask {
  readonly folder: string;
  readonly url: string;
  /** Labels of the marks: whole numbers. */
  readonly from: number;
  readonly to: number;
  readonly capBytes: number;
}

/** Marks that wait to be acknowledged, at most. */
const WINDOW = 256;

const { folder, url, from, to, capBytes }: ProducerTask = JSON.parse(process.argv[2]!);
const stamper = new Stamper({
  clock: systemClock,
  bootId: readBootId('/proc').id,
  readSyncState: () => ({ known: true, synced: true }),
});
const waiting: Array<{ label: number; seq: number }> = [];
let next = from;

const spool = await openSpool({
  folder,
  clock: systemClock,
  bootId: stamper.bootId,
  stamp: () => stamper.stamp('event/gap'),
  capBytes,
  syncMillis: 20,
  drainHz: 20_000,
  resendMillis: 500,
  onAcknowledged: (seq) => {
    const count = waiting.findIndex((each) => each.seq > seq);
    const done = waiting.splice(0, count < 0 ? waiting.length : count);
    // At once and whole: what was said before a kill has been heard.
    if (done.length > 0) writeSync(1, `${done.map(({ label }) => label).join('\n')}\n`);
    if (next > to && waiting.length === 0) writeSync(1, `all ${JSON.stringify(spool.feed.status())}\n`);
    else report();
  },
});
const publisher = new Publisher({
  owner: { base: 'memtide', vehicle: 'car-7', domain: 'cluster' },
  url,
  protocolVersion: 4,
  keepaliveSeconds: 20,
  clock: systemClock,
  stamper,
  birth: { memtide: '0.1.0', node: process.version, kernel: os.release(), arch: process.arch, mode: 'hypervisor' },
  reconnectMillis: 20,
  spool: spool.feed,
});
const keep = spool.feed.keep.bind(spool.feed);
spool.feed.keep = (leaf, payload) => {
  const seq = keep(leaf, payload);
  if (seq !== undefined) waiting.push({ label: Number((payload as { label: string }).label), seq });
  return seq;
};
const reporter = new Reporter(stamper, [publisher]);
await publisher.start();
report();
// The parent's other way to end it.
process.once('SIGTERM', async () => {
  await publisher.stop();
  await spool.stop();
  process.exit(0);
});

function report(): void {
  while (next <= to && waiting.length < WINDOW) {
    const before = waiting.length;
    reporter.mark('command', String(next));
    if (waiting.length === before) return;
    next++;
  }
}
