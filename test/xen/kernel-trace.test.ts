/** What the kernel counts for the bench, against what was done. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { countsBetween, type KernelCount, KernelTrace, total } from '../../src/evaluation/bench/xen/kernel-trace.ts';
import { DOMID_SELF } from '../../src/xen/device.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { HypercallBooks } from '../../src/xen/hypercall-books.ts';
import { ON_BOARD } from './guests.ts';

const TRACEFS = '/sys/kernel/tracing';
const counted = (counts: readonly KernelCount[], wanted: string): number =>
  total(counts, ({ event, pid }) => event === wanted && pid === process.pid);

describe('counts of the kernel', { ...ON_BOARD, timeout: 300_000 }, () => {
  test('each event that this thread sends, each call of Xen, its wake-ups; nothing stays behind', async (t) => {
    const channels = new EventChannels();
    const port = channels.bindInterdomain(DOMID_SELF, channels.bindUnbound(DOMID_SELF));
    const books = new HypercallBooks();
    await books.freeBytes();
    const trace = KernelTrace.open();
    try {
      const before = trace.read();
      for (let sent = 0; sent < 7; sent++) channels.notify(port);
      const counts = countsBetween(before, trace.read());
      t.diagnostic(JSON.stringify(counts));
      assert.equal(counted(counts, 'notify'), 7);
      assert.equal(counted(counts, 'privcmd'), 0);
      await books.freeBytes();
      for (let slept = 0; slept < 5; slept++) await sleep(50);
      const later = countsBetween(before, trace.read());
      assert.ok(counted(later, 'privcmd') >= 1, 'Xen was asked');
      assert.ok(counted(later, 'wake_up') >= 3, 'it slept');
      assert.equal(counted(later, 'notify'), 7);
    } finally {
      trace.close();
      books.close();
    }
    assert.doesNotMatch(fs.readFileSync(`${TRACEFS}/kprobe_events`, 'utf8'), /memtide/);
    assert.ok(!fs.existsSync(`${TRACEFS}/instances/memtide`));
  });

  test('a second one takes over from one that was killed', async () => {
    const first = KernelTrace.open();
    const second = KernelTrace.open();
    const before = second.read();
    for (let slept = 0; slept < 5; slept++) await sleep(50);
    assert.ok(counted(countsBetween(before, second.read()), 'wake_up') >= 3, 'it counts');
    second.close();
    first.close();
  });
});
