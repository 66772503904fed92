import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SENT_KINDS, type SentKind } from '../../../src/telemetry/kinds.ts';
import { OutgoingQueue } from '../../../src/telemetry/outgoing-queue.ts';

const limits = (each: number) => Object.fromEntries(SENT_KINDS.map((kind) => [kind, each])) as Record<SentKind, number>;

test('every message is waiting, taken, or counted as dropped; each kind stays within its limit and in order', () => {
  const step = fc.oneof(fc.constantFrom(...SENT_KINDS), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (steps, limit) => {
      const queue = new OutgoingQueue(limits(limit));
      const last = new Map<SentKind, number>();
      let pushed = 0;
      let taken = 0;
      const take = () => {
        const next = queue.shift();
        if (!next) return false;
        taken++;
        const number = Number(next.content);
        assert.ok(number > (last.get(next.kind) ?? -1), 'the oldest of its kind first');
        last.set(next.kind, number);
        return true;
      };
      for (const kind of steps) {
        if (kind === 'take') take();
        else queue.push({ kind, topic: 't', content: String(pushed++) });
        assert.ok(queue.length <= limit * SENT_KINDS.length);
        assert.equal(pushed, taken + queue.length + queue.totalDropped);
      }
      while (take());
      assert.equal(queue.length, 0);
    }),
  );
});

test('a flood of readings never pushes out a burst, and whoever waits is answered first', () => {
  const queue = new OutgoingQueue(limits(3));
  queue.push({ kind: 'burst', topic: 't', content: 'burst' });
  for (let i = 0; i < 100; i++) queue.push({ kind: 'mem', topic: 't', content: `mem ${i}` });
  queue.push({ kind: 'rsp', topic: 't', content: 'answer' });
  const order = Array.from({ length: 6 }, () => queue.shift()?.content);
  assert.deepEqual(order, ['answer', 'burst', 'mem 97', 'mem 98', 'mem 99', undefined]);
  assert.deepEqual(queue.dropped, { mem: 97 });
});
