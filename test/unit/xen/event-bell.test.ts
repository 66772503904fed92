/** What of the doorbell between domains needs no Xen: who counts as having rung, and when a hypercall is spent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BELL } from '../../../src/control/layout.ts';
import { type Channels, EventRinger, EventWaiter } from '../../../src/xen/event-bell.ts';
import { takeSource } from '../../contract/doorbell-program.ts';

/** Channels that note what is done with them; `onWait` happens while somebody sleeps. */
function channels(onWait: () => number = () => 0): Channels & { notified: number[]; unmasked: number[] } {
  const notified: number[] = [];
  const unmasked: number[] = [];
  return {
    notified,
    unmasked,
    notify: (port) => notified.push(port),
    wait: onWait,
    unmask: (count) => unmasked.push(count),
  };
}
const page = (): Int32Array => new Int32Array(new SharedArrayBuffer(4096));

test('a ring costs no hypercall while the other side is awake', () => {
  const words = page();
  const xen = channels();
  const ringer = new EventRinger(xen, { words, at: 16, port: 9 });
  ringer.ring(3);
  assert.deepEqual(xen.notified, []);
  Atomics.store(words, 16 + BELL.waiting, 1);
  ringer.ring(4);
  assert.deepEqual(xen.notified, [9]);
});

test('a guest cannot ring as another one: it counts as what its channel is, whatever bits it writes', () => {
  const [one, two] = [page(), page()];
  const waiter = new EventWaiter(channels(), [
    { words: one, at: 16, port: 1, source: 40 },
    { words: two, at: 16, port: 2, source: 41 },
  ]);
  for (let word = 0; word < 8; word++) Atomics.store(one, 16 + BELL.pending + word, -1);
  assert.equal(waiter.wait(0), true);
  assert.deepEqual([...waiter.pending], [0, 1 << 8, 0, 0, 0, 0, 0, 0]);
  assert.equal(takeSource(waiter.pending, 40), true);
  assert.equal(takeSource(waiter.pending, 41), false);
});

test('what rings between the look and the sleep is heard, and the waiter says that it sleeps only while it does', () => {
  const words = page();
  const seen: number[] = [];
  const xen = channels(() => {
    seen.push(Atomics.load(words, 16 + BELL.waiting));
    new EventRinger(xen, { words, at: 16, port: 5 }).ring(7);
    return 1;
  });
  const waiter = new EventWaiter(xen, [{ words, at: 16, port: 5 }]);
  assert.equal(waiter.wait(100), true);
  assert.deepEqual(seen, [1]);
  assert.deepEqual(xen.notified, [5], 'the ringer saw a sleeper');
  assert.deepEqual(xen.unmasked, [1], 'the port can ring again');
  assert.equal(Atomics.load(words, 16 + BELL.waiting), 0);
});

test('a place that was removed is not listened to', () => {
  const [one, two] = [page(), page()];
  const waiter = new EventWaiter(channels(), [{ words: one, at: 16, port: 1 }]);
  waiter.add({ words: two, at: 16, port: 2 });
  assert.equal(waiter.remove(1), true);
  assert.equal(waiter.remove(1), false);
  new EventRinger(channels(), { words: one, at: 16, port: 1 }).ring(1);
  assert.equal(waiter.wait(0), false);
  new EventRinger(channels(), { words: two, at: 16, port: 2 }).ring(2);
  assert.equal(waiter.wait(0), true);
});
