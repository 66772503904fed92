/** What a front end's fast plane does when its back end has been started anew, seen from the other end of the rings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import {
  BACK,
  BACK_TO_FRONT,
  FRONT,
  FRONT_TO_BACK,
  GIVEN,
  OP,
  SESSION,
  SESSION_ACTIVE,
  SESSION_WORDS,
  SESSIONS,
} from '../../../src/control/layout.ts';
import { POPPED, RingConsumer, RingProducer } from '../../../src/control/ring.ts';
import { FrontendPlane } from '../../../src/coordination/frontend-plane.ts';
import { SOURCE_BACKEND } from '../../../src/coordination/sources.ts';
import { GEOMETRY, PlaneMachine, ring } from './plane-machine.ts';

const SESSION_NUMBER = 3;
const AT = SESSIONS + SESSION_NUMBER * SESSION_WORDS;

/** One front end, and the test as its back ends. */
function front() {
  const file = controlFileInMemory(GEOMETRY, 1);
  const clock = new VirtualClock(1_000_000);
  const bell = new Int32Array(8);
  const plane = new FrontendPlane(file, GEOMETRY, {
    clock,
    scrub: () => {},
    wakeSession: () => {},
    ringBackend: () => {},
  });
  const asked = new RingConsumer(file.words, FRONT_TO_BACK);
  const answers = new RingProducer(file.words, BACK_TO_FRONT);
  Atomics.store(file.words, AT + SESSION.state, SESSION_ACTIVE);
  return {
    words: file.words,
    answers,
    poll: () => {
      clock.advanceMicros(1000);
      plane.poll(bell);
    },
    /** Numbers of the requests that have come, 0 for a refill. */
    asked: () => {
      const ids: number[] = [];
      while (asked.pop() === POPPED.entry) if (asked.entry[0] === OP.need) ids.push(asked.entry[1]!);
      return ids;
    },
    ask: (chunks: number) => {
      file.words[AT + SESSION.requestChunks] = chunks;
      file.words[AT + SESSION.requestDeadlineMicros] = 1_000_000;
      Atomics.add(file.words, AT + SESSION.requestSeq, 1);
      ring(bell, SESSION_NUMBER);
    },
    newBackend: () => {
      Atomics.add(file.words, BACK.incarnation, 1);
      ring(bell, SOURCE_BACKEND);
    },
    ringBack: () => ring(bell, SOURCE_BACKEND),
    answered: () => Atomics.load(file.words, AT + SESSION.responseSeq),
  };
}

test('a request that no answer has come to is asked of the new back end too', () => {
  const pair = front();
  pair.ask(2);
  pair.poll();
  assert.deepEqual(pair.asked(), [1]);
  pair.poll();
  assert.deepEqual(pair.asked(), [], 'asked once of one back end');
  pair.newBackend();
  pair.poll();
  assert.deepEqual(pair.asked(), [1]);
});

test('what the last back end has answered is not asked of the new one', () => {
  const pair = front();
  pair.ask(2);
  pair.poll();
  pair.asked();
  pair.answers.push(OP.given, 1, SESSION_NUMBER, 2, GIVEN.ok);
  pair.newBackend();
  pair.poll();
  assert.equal(pair.answered(), 1);
  assert.deepEqual(pair.asked(), []);
});

test('a refill that was asked of the last back end is asked of the new one', () => {
  const pair = front();
  Atomics.store(pair.words, FRONT.reserveTarget, 4);
  pair.poll();
  assert.deepEqual(pair.asked(), [0]);
  pair.poll();
  assert.deepEqual(pair.asked(), []);
  pair.newBackend();
  pair.poll();
  assert.deepEqual(pair.asked(), [0]);
});

test('the second answer to one request changes nothing', () => {
  const pair = front();
  pair.ask(2);
  pair.poll();
  pair.answers.push(OP.given, 1, SESSION_NUMBER, 2, GIVEN.ok);
  pair.answers.push(OP.given, 1, SESSION_NUMBER, 0, GIVEN.empty);
  pair.ringBack();
  pair.poll();
  assert.equal(Atomics.load(pair.words, AT + SESSION.responseStatus), GIVEN.ok);
});

test('a request that is told twice is served once and answered twice', () => {
  const limits = { floorChunks: 0, ceilingChunks: 16, offerChunks: 0 };
  const machine = new PlaneMachine([limits]);
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  const id = app.request(3, 1_000_000);
  machine.settle();
  assert.equal(app.answer, GIVEN.ok);
  const held = machine.back.books.heldBy(0);
  domain!.stopped = true; // the answer is looked at by the test
  const answers = new RingConsumer(domain!.file.words, BACK_TO_FRONT);
  new RingProducer(domain!.file.words, FRONT_TO_BACK).push(OP.need, id, 1, 3, 1_000_000);
  ring(machine.backBell, 0);
  machine.settle();
  assert.equal(answers.pop(), POPPED.entry);
  assert.deepEqual([...answers.entry.slice(0, 5)], [OP.given, id, 1, 3, GIVEN.ok]);
  assert.equal(machine.back.books.heldBy(0), held);
  assert.equal(machine.back.stats.requests, 1);
});
