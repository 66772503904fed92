import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { FRONT_TO_BACK, RING_ENTRIES } from '../../../src/control/layout.ts';
import { POPPED, RingConsumer, RingProducer } from '../../../src/control/ring.ts';

const GEOMETRY = { chunkCount: 16, chunkShift: 21, blockShift: 16 };

/** A ring whose indices start anywhere, so that wrap-around and the change of sign are met. */
function ringFrom(start: number) {
  const { words } = controlFileInMemory(GEOMETRY);
  words[FRONT_TO_BACK.head] = start;
  words[FRONT_TO_BACK.tail] = start;
  return { words, producer: new RingProducer(words, FRONT_TO_BACK), consumer: new RingConsumer(words, FRONT_TO_BACK) };
}

test('what is pushed is popped, in order, whatever the interleaving and wherever the indices stand', () => {
  const start = fc.oneof(fc.integer(), fc.constantFrom(-1, -RING_ENTRIES, 0x7fff_ffff, -0x8000_0000));
  fc.assert(
    fc.property(start, fc.array(fc.boolean(), { maxLength: 400 }), (from, pushes) => {
      const { producer, consumer } = ringFrom(from);
      const model: number[] = [];
      let next = 0;
      for (const push of pushes) {
        if (push) {
          assert.equal(producer.push(7, next, next + 1), model.length < RING_ENTRIES);
          if (model.length < RING_ENTRIES) model.push(next);
          next++;
        } else {
          const expected = model.shift();
          assert.equal(consumer.pop(), expected === undefined ? POPPED.nothing : POPPED.entry);
          if (expected !== undefined) assert.deepEqual([...consumer.entry.subarray(0, 3)], [7, expected, expected + 1]);
        }
      }
    }),
  );
});

test('a hostile index is reported and never followed outside the ring', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (head, tail) => {
      const { words, producer, consumer } = ringFrom(0);
      const before = Int32Array.from(words);
      words[FRONT_TO_BACK.tail] = tail;
      const popped = consumer.pop();
      if (tail !== 0 && (tail < 0 || tail > RING_ENTRIES)) assert.equal(popped, POPPED.violation);
      words[FRONT_TO_BACK.head] = head;
      producer.push(1, 2, 3);
      const entries = FRONT_TO_BACK.entries;
      for (const [at, word] of words.entries()) {
        const mayChange =
          at === FRONT_TO_BACK.head || at === FRONT_TO_BACK.tail || (at >= entries && at < entries + 1024);
        if (!mayChange) assert.equal(word, before[at]);
      }
    }),
  );
});

test('after a violation the consumer starts anew with what comes next', () => {
  const { words, consumer } = ringFrom(0);
  words[FRONT_TO_BACK.tail] = 1000;
  assert.equal(consumer.pop(), POPPED.violation);
  consumer.resync();
  const producer = new RingProducer(words, FRONT_TO_BACK);
  producer.push(3, 4);
  assert.equal(consumer.pop(), POPPED.entry);
  assert.equal(consumer.entry[1], 4);
});
