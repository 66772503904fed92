import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ENTRY_WORDS, RING_ENTRIES } from '../../../src/control/layout.ts';
import { POPPED, RingConsumer, RingProducer } from '../../../src/control/ring.ts';

/** A ring between two guard zones, so that a write outside of it shows. */
const GUARD = 64;
const PLACE = { head: GUARD, tail: GUARD + 16, entries: GUARD + 32 };
const WORDS = PLACE.entries + RING_ENTRIES * ENTRY_WORDS + GUARD;
const GUARD_VALUE = 0x5a5a5a5a;

function ringAt(index: number): { words: Int32Array; producer: RingProducer; consumer: RingConsumer } {
  const words = new Int32Array(WORDS);
  words.fill(GUARD_VALUE, 0, GUARD);
  words.fill(GUARD_VALUE, WORDS - GUARD);
  words[PLACE.head] = index;
  words[PLACE.tail] = index;
  return { words, producer: new RingProducer(words, PLACE), consumer: new RingConsumer(words, PLACE) };
}

function assertGuards(words: Int32Array): void {
  for (let at = 0; at < GUARD; at++) {
    assert.equal(words[at], GUARD_VALUE);
    assert.equal(words[WORDS - 1 - at], GUARD_VALUE);
  }
}

/** Where the free-running indices start: around zero, and where they change sign and wrap. */
const start = fc.oneof(fc.constantFrom(0, -1, -40, 2 ** 31 - 1, 2 ** 31 - 40, -(2 ** 31)), fc.integer());

test('entries come out whole, once and in order, whatever the interleaving and wherever the indices stand', () => {
  const steps = fc.array(fc.boolean(), { maxLength: 400, size: 'max' });
  fc.assert(
    fc.property(start, steps, (index, pushes) => {
      const { words, producer, consumer } = ringAt(index);
      const model: number[] = [];
      let next = 1;
      for (const push of pushes) {
        if (push) {
          const room = model.length < RING_ENTRIES;
          assert.equal(producer.push(next, next * 2, next * 3, -next, 5, 6, 7), room);
          if (room) model.push(next);
          next++;
        } else {
          const wanted = model.shift();
          assert.equal(consumer.pop(), wanted === undefined ? POPPED.nothing : POPPED.entry);
          if (wanted !== undefined) {
            assert.deepEqual([...consumer.entry.subarray(0, 7)], [wanted, wanted * 2, wanted * 3, -wanted, 5, 6, 7]);
          }
        }
      }
      assertGuards(words);
    }),
  );
});

test('a full ring takes nothing more until one is taken out, also across the change of sign', () => {
  const { producer, consumer } = ringAt(2 ** 31 - 10);
  for (let id = 0; id < RING_ENTRIES; id++) assert.ok(producer.push(1, id));
  assert.equal(producer.push(1, 999), false);
  assert.equal(consumer.pop(), POPPED.entry);
  assert.ok(producer.push(1, RING_ENTRIES));
  for (let id = 1; id <= RING_ENTRIES; id++) {
    assert.equal(consumer.pop(), POPPED.entry);
    assert.equal(consumer.entry[1], id);
  }
  assert.equal(consumer.pop(), POPPED.nothing);
});

test('a hostile index makes nobody read or write outside the ring', () => {
  fc.assert(
    fc.property(start, fc.array(fc.tuple(fc.boolean(), fc.integer()), { maxLength: 60 }), (index, attacks) => {
      const { words, producer, consumer } = ringAt(index);
      let tail = index; // the producer's own, which no attack can move
      for (const [onHead, value] of attacks) {
        words[onHead ? PLACE.head : PLACE.tail] = value;
        const ahead = (value - tail) | 0;
        const pushed = producer.push(1, 2);
        if (pushed) tail = (tail + 1) | 0;
        if (onHead && (ahead > 0 || ahead < -RING_ENTRIES)) assert.equal(pushed, false, 'looks full');
        const popped = consumer.pop();
        assert.ok(popped === POPPED.nothing || popped === POPPED.entry || popped === POPPED.violation);
        if (popped === POPPED.violation) consumer.resync();
      }
      assertGuards(words);
    }),
  );
});

test('sabotage: one that reads its own index back is made to serve an entry twice, and to write over one', () => {
  const attack = (isPrivate: boolean): { served: number[]; waiting: number } => {
    const { words, ...ends } = ringAt(0);
    const consumer = (): RingConsumer => (isPrivate ? ends.consumer : new RingConsumer(words, PLACE));
    const producer = (): RingProducer => (isPrivate ? ends.producer : new RingProducer(words, PLACE));
    const served: number[] = [];
    const serve = (): void => {
      const end = consumer();
      if (end.pop() === POPPED.entry) served.push(end.entry[1]!);
    };
    producer().push(1, 1);
    serve();
    words[PLACE.head] = 0; // the peer sets the consumer back
    serve();
    producer().push(1, 2);
    words[PLACE.tail] = 1; // and the producer
    producer().push(1, 3);
    return { served, waiting: words[PLACE.tail]! - 1 };
  };
  assert.deepEqual(attack(true), { served: [1], waiting: 2 });
  assert.deepEqual(attack(false), { served: [1, 1], waiting: 1 });
});

test('a tail out of bounds is reported as a violation until the link is made anew', () => {
  for (const ahead of [RING_ENTRIES + 1, 1000, -1, -(2 ** 31)]) {
    const { words, consumer } = ringAt(7);
    words[PLACE.tail] = 7 + ahead;
    assert.equal(consumer.pop(), POPPED.violation);
    assert.equal(consumer.pop(), POPPED.violation);
    consumer.resync();
    assert.equal(consumer.pop(), POPPED.nothing);
    const producer = new RingProducer(words, PLACE);
    assert.ok(producer.push(1, 42));
    assert.equal(consumer.pop(), POPPED.entry);
    assert.equal(consumer.entry[1], 42);
  }
});

test('an entry that is popped is a private copy', () => {
  const { words, producer, consumer } = ringAt(0);
  producer.push(1, 2, 3);
  consumer.pop();
  words.fill(-1, PLACE.entries, PLACE.entries + ENTRY_WORDS);
  assert.deepEqual([...consumer.entry.subarray(0, 3)], [1, 2, 3]);
});

test('successors of both sides go on where their predecessors stopped', () => {
  const { words, producer, consumer } = ringAt(-2);
  for (let id = 0; id < 5; id++) producer.push(1, id);
  consumer.pop();
  const heirs = { producer: new RingProducer(words, PLACE), consumer: new RingConsumer(words, PLACE) };
  heirs.producer.push(1, 5);
  for (let id = 1; id <= 5; id++) {
    assert.equal(heirs.consumer.pop(), POPPED.entry);
    assert.equal(heirs.consumer.entry[1], id);
  }
});
