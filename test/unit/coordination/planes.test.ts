import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACK, BACK_TO_FRONT, FRONT_TO_BACK, GIVEN, OP, STATE, wordOf } from '../../../src/control/layout.ts';
import { RingProducer } from '../../../src/control/ring.ts';
import { type App, CHUNK_BYTES, GEOMETRY, PlaneMachine, ring } from './plane-machine.ts';

const free = { floorChunks: 0, ceilingChunks: 16, offerChunks: 0 };

/** Two domains with one application each; the second holds `cached` chunks that it would let go. */
function machineWithDonor(cached: number, chunks: number = cached): { machine: PlaneMachine; asker: App; donor: App } {
  const machine = new PlaneMachine([free, free], chunks);
  const asker = machine.domains[0]!.connect(1);
  const donor = machine.domains[1]!.connect(1);
  if (cached > 0) {
    donor.request(cached, 1000);
    machine.settle();
    for (let chunk = 0; chunk < cached; chunk++) assert.ok(donor.claim(CHUNK_BYTES, true));
  }
  return { machine, asker, donor };
}

test('a request is met from the free pool, and only by the session that asked', () => {
  const { machine, asker } = machineWithDonor(0, 4);
  const other = machine.domains[0]!.connect(2);
  asker.request(3, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);
  assert.equal(other.claim(CHUNK_BYTES), undefined);
  assert.ok(asker.claim(3 * CHUNK_BYTES));
  machine.check();
});

test('offers to others that nobody has claimed are withdrawn without their consent', () => {
  const machine = new PlaneMachine([free, { ...free, offerChunks: 16 }]);
  machine.settle();
  assert.equal(machine.count(1, STATE.offered), 16);
  machine.domains[1]!.stopped = true;
  const app = machine.domains[0]!.connect(1);
  app.request(10, 1000);
  machine.settle();
  assert.equal(app.answer, GIVEN.ok);
  assert.equal(machine.back.stats.revocations, 0);
  machine.check();
});

test('a donor gives what was released before what it holds as reserve, and asks its applications last', () => {
  const { machine, asker, donor } = machineWithDonor(6, 8);
  const [, domain] = machine.domains;
  domain!.setReserve(2);
  donor.request(2, 1000);
  machine.settle();
  machine.advance(300_000);
  machine.advance(300_000);
  assert.equal(machine.count(1, STATE.reserved), 2, 'a promise that is not claimed becomes reserve');
  donor.yields = false;
  asker.request(2, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);
  assert.equal(donor.wakes, 2, 'woken for its own two requests only');
  donor.yields = true;
  asker.request(3, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);
  assert.equal(donor.claims.length, 3);
  assert.ok(asker.claim(5 * CHUNK_BYTES), 'zeroed, though the donor had written it');
  machine.check();
});

test('a donor that lets the deadline pass costs a refusal, and is left alone twice as long each time', () => {
  const { machine, asker, donor } = machineWithDonor(4, 6);
  machine.back.setMode(false, 1_000_000);
  donor.yields = false;
  const refused = (): number | undefined => {
    asker.request(5, 10_000);
    machine.settle();
    const before = asker.answer;
    machine.advance(10_001);
    return before ?? asker.answer;
  };
  assert.equal(refused(), GIVEN.deadline);
  assert.equal(machine.back.books.freeChunks, 2, 'what was promised went back');
  assert.equal(machine.back.stats.donorMisses, 1);
  assert.equal(refused(), GIVEN.empty, 'not asked again yet');
  machine.advance(1_000_000);
  assert.equal(refused(), GIVEN.deadline);
  machine.advance(1_100_000);
  assert.equal(refused(), GIVEN.empty, 'the second back-off is longer');
  machine.advance(1_000_000);
  donor.yields = true;
  assert.equal(refused(), GIVEN.ok);
  assert.equal(machine.back.stats.donorMisses, 2);
  machine.check();
});

test('nobody is disturbed for a request that cannot be met', () => {
  const { machine, asker, donor } = machineWithDonor(4);
  asker.request(5, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.empty);
  assert.equal(donor.claims.length, 4);
  assert.equal(machine.back.stats.revocations, 0);
});

test('a domain never gets beyond its ceiling, not by several requests at once either', () => {
  const { machine, donor } = machineWithDonor(10);
  const [domain] = machine.domains;
  machine.back.setLimits(0, { ...free, ceilingChunks: 6 });
  donor.yields = false;
  const one = domain!.connect(2);
  const two = domain!.connect(3);
  one.request(4, 10_000);
  two.request(4, 10_000);
  machine.settle();
  assert.equal(two.answer, GIVEN.ceiling);
  donor.yields = true;
  donor.release();
  for (let left = 3; left > 0; left--) donor.release();
  machine.settle();
  assert.equal(one.answer, GIVEN.ok);
  assert.ok(machine.back.books.heldBy(0) <= 6);
});

test('nothing is taken from a domain at its floor: neither leases nor offers', () => {
  const { machine, asker } = machineWithDonor(4);
  machine.back.setLimits(1, { ...free, floorChunks: 3 });
  asker.request(2, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.empty);
  asker.request(1, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);

  const offered = new PlaneMachine([free, { floorChunks: 3, ceilingChunks: 16, offerChunks: 4 }], 4);
  offered.settle();
  const app = offered.domains[0]!.connect(1);
  app.request(2, 1000);
  offered.settle();
  assert.equal(app.answer, GIVEN.empty);
  assert.equal(offered.back.books.heldBy(1), 4, 'topped up again');
});

test('the reserve is filled from offers, refilled when it runs low, and given back when the target falls', () => {
  const machine = new PlaneMachine([{ ...free, offerChunks: 2 }, free]);
  const [domain] = machine.domains;
  domain!.setReserve(6);
  machine.settle();
  machine.advance(300_000);
  assert.ok(machine.count(0, STATE.reserved) >= 3);
  const app = domain!.connect(1);
  assert.ok(app.claim(3 * CHUNK_BYTES));
  ring(domain!.bell, 1);
  machine.settle();
  machine.advance(300_000);
  assert.ok(machine.count(0, STATE.reserved) >= 3);
  domain!.setReserve(0);
  machine.back.setLimits(0, free);
  machine.settle();
  assert.equal(machine.count(0, STATE.reserved), 0);
  assert.equal(machine.back.books.heldBy(0), 3);
  machine.check();
});

test('a reserve that cannot be filled keeps nobody awake', () => {
  const machine = new PlaneMachine([{ ...free, offerChunks: 2 }, free], 1);
  machine.domains[0]!.setReserve(8);
  machine.settle();
  const before = machine.polls;
  for (let turn = 0; turn < 10; turn++) machine.advance(100_000);
  assert.ok(machine.polls - before < 100, `${machine.polls - before} polls in a second`);
});

test('split mode offers nothing and withdraws what was offered', () => {
  const machine = new PlaneMachine([{ ...free, offerChunks: 4 }, free]);
  machine.settle();
  assert.equal(machine.count(0, STATE.offered), 4);
  machine.back.setMode(true, 1000);
  machine.settle();
  assert.equal(machine.count(0, STATE.offered), 0);
  const app = machine.domains[0]!.connect(1);
  assert.equal(app.claim(CHUNK_BYTES), undefined);
  app.request(1, 1000);
  machine.settle();
  assert.ok(app.claim(CHUNK_BYTES));
  machine.back.setMode(false, 1000);
  machine.settle();
  assert.equal(machine.count(0, STATE.offered), 4);
});

test('a lower ceiling withdraws offers beyond it', () => {
  const machine = new PlaneMachine([{ ...free, offerChunks: 6 }, free]);
  machine.settle();
  machine.back.setLimits(0, { floorChunks: 0, ceilingChunks: 2, offerChunks: 6 });
  machine.settle();
  assert.equal(machine.back.books.heldBy(0), 2);
});

test('the death of a session in the middle of its request leaves nothing promised', () => {
  const { machine, asker, donor } = machineWithDonor(4, 6);
  donor.yields = false;
  asker.request(4, 10_000);
  machine.settle();
  assert.equal(machine.count(0, STATE.promised), 2);
  asker.die();
  donor.yields = true;
  while (donor.claims.length > 0) donor.release();
  machine.settle();
  machine.advance(300_000);
  assert.equal(machine.count(0, STATE.promised), 0);
  assert.equal(machine.back.books.freeChunks, 6);
  machine.check();
});

test('a new request of a session takes the place of the one that it has given up', () => {
  const { machine, asker, donor } = machineWithDonor(4, 6);
  donor.yields = false;
  asker.request(4, 1_000_000);
  machine.settle();
  assert.equal(asker.answer, undefined);
  asker.request(2, 1000);
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);
  assert.ok(asker.claim(2 * CHUNK_BYTES));
  machine.check();
});

test('what was promised to a request that is withdrawn is free at once', () => {
  const { machine, asker, donor } = machineWithDonor(4, 6);
  donor.yields = false;
  asker.request(4, 10_000_000);
  machine.settle();
  assert.equal(machine.count(0, STATE.promised), 2);
  asker.request(0, 0);
  machine.settle();
  assert.equal(machine.count(0, STATE.promised), 0);
  const other = machine.domains[1]!.connect(2);
  other.request(2, 1000);
  machine.settle();
  assert.equal(other.answer, GIVEN.ok);
  machine.check();
});

test('a request that was answered as it was withdrawn leaves its memory to the whole domain', () => {
  const { machine, asker } = machineWithDonor(0, 4);
  const [domain] = machine.domains;
  asker.request(3, 10_000_000);
  domain!.plane.poll(domain!.bell);
  machine.back.poll(machine.backBell);
  asker.request(0, 0);
  machine.settle();
  assert.equal(machine.count(0, STATE.promised), 0);
  machine.check();
});

test('an application does not take what its domain releases for a peer', () => {
  const { machine, asker, donor } = machineWithDonor(4);
  donor.yields = false;
  asker.request(3, 10_000);
  machine.settle();
  assert.equal(asker.answer, undefined);
  const neighbour = machine.domains[1]!.connect(2);
  machine.domains[1]!.stopped = true;
  donor.release();
  assert.equal(neighbour.claim(CHUNK_BYTES), undefined, 'released, and owed');
  donor.release();
  donor.release();
  machine.domains[1]!.stopped = false;
  machine.settle();
  assert.equal(asker.answer, GIVEN.ok);
  donor.release();
  assert.ok(neighbour.claim(CHUNK_BYTES), 'nothing is owed any more');
  machine.check();
});

test('what is promised and never claimed becomes memory of the whole domain', () => {
  const { machine, asker } = machineWithDonor(0, 4);
  const other = machine.domains[0]!.connect(2);
  machine.domains[0]!.setReserve(4);
  asker.request(3, 1000);
  machine.settle();
  machine.advance(300_000);
  machine.advance(300_000);
  assert.ok(other.claim(3 * CHUNK_BYTES));
  machine.check();
});

test('memory that a failed request gives up goes to one that still waits', () => {
  const { machine, asker, donor } = machineWithDonor(4, 7);
  const second = machine.domains[0]!.connect(2);
  donor.yields = false;
  asker.request(5, 1_000);
  second.request(2, 50_000);
  machine.settle();
  assert.equal(second.answer, undefined);
  machine.advance(1_500);
  assert.equal(asker.answer, GIVEN.deadline);
  assert.equal(second.answer, GIVEN.ok);
  machine.check();
});

test('an answer that cannot be delivered leaves nothing promised', () => {
  const { machine, asker } = machineWithDonor(0, 4);
  const [domain] = machine.domains;
  const toBack = new RingProducer(domain!.file.words, FRONT_TO_BACK);
  machine.settle();
  domain!.stopped = true; // and its ring full of answers that it does not read
  for (let id = 0; id < 80; id++) {
    assert.ok(toBack.push(OP.noop, id));
    ring(machine.backBell, 0);
    machine.settle();
  }
  assert.ok(toBack.push(OP.need, 1, asker.session, 2, 1000));
  ring(machine.backBell, 0);
  machine.settle();
  assert.equal(machine.back.books.freeChunks, 4);
});

test('hostile ring entries are counted, drop the link, and do no harm', () => {
  const machine = new PlaneMachine([free, free]);
  machine.settle();
  const { words } = machine.domains[0]!.file;
  const toBack = new RingProducer(words, FRONT_TO_BACK);
  const entries: [number, number, number, number, number][] = [
    [99, 0, 0, 0, 0],
    [-1, 0, 0, 0, 0],
    [OP.need, 1, -1, 1, 0],
    [OP.need, 1, 128, 1, 0],
    [OP.need, 1, 1, 0, 0],
    [OP.need, 1, 1, 2 ** 30, 0],
    [OP.need, 1, 1, -5, 0],
    [OP.given, 1, 1, 1, 0],
  ];
  for (const [op, id, a, b, c] of entries) {
    const before = Atomics.load(words, BACK.incarnation);
    assert.ok(toBack.push(op, id, a, b, c));
    ring(machine.backBell, 0);
    machine.settle();
    assert.equal(Atomics.load(words, BACK.incarnation), before + 1, `op ${op}: the link is made anew`);
    machine.advance(200_000);
  }
  assert.equal(machine.back.violationsOf(0), entries.length);
  assert.equal(machine.back.violationsOf(1), 0);
  machine.check();
});

test('a ring index out of bounds is a violation, and the link goes on afterwards', () => {
  const { machine, asker } = machineWithDonor(0, 4);
  machine.settle();
  Atomics.store(machine.domains[0]!.file.words, FRONT_TO_BACK.tail, 1000);
  ring(machine.backBell, 0);
  machine.settle();
  assert.equal(machine.back.stats.violations, 1);
  machine.domains[0]!.startPlane();
  asker.request(1, 1000);
  machine.settle();
  assert.equal(asker.answer, undefined, 'whoever wrote nonsense is served on the next beat only');
  machine.advance(200_000);
  assert.equal(asker.answer, GIVEN.ok);
});

test('an index that somebody has written over is published anew, and the link goes on', () => {
  for (const place of [FRONT_TO_BACK.tail, FRONT_TO_BACK.head, BACK_TO_FRONT.tail, BACK_TO_FRONT.head]) {
    const { machine, asker } = machineWithDonor(0, 4);
    machine.settle();
    Atomics.store(machine.domains[0]!.file.words, place, 12345);
    for (let look = 0; look < 3; look++) machine.advance(300_000);
    asker.request(1, 1000);
    machine.settle();
    assert.equal(asker.answer, GIVEN.ok, `word ${place}`);
    machine.check();
  }
});

test('a domain that returns or scatters chunks that are not its own gets none of them', () => {
  const machine = new PlaneMachine([free, { ...free, offerChunks: 16 }]);
  machine.settle();
  const thief = machine.domains[0]!;
  for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) thief.ledger.set(chunk, wordOf(STATE.returning));
  machine.advance(200_000);
  assert.equal(machine.back.books.heldBy(1), 16);
  assert.equal(machine.back.books.freeChunks, 0);
});

test('a hostile ring of the bell keeps no plane awake', () => {
  const machine = new PlaneMachine([free, free]);
  machine.settle();
  machine.domains[0]!.bell.fill(-1);
  machine.backBell.fill(-1);
  machine.domains[0]!.plane.poll(machine.domains[0]!.bell);
  machine.back.poll(machine.backBell);
  assert.deepEqual([...machine.domains[0]!.bell, ...machine.backBell], new Array(16).fill(0));
});

test('chunks given back to the system are not scrubbed any more', () => {
  const { machine, donor } = machineWithDonor(1);
  donor.release();
  for (let turn = 0; turn < 3; turn++) {
    machine.domains[1]!.plane.poll(machine.domains[1]!.bell);
  }
  machine.back.poll(machine.backBell); // one slice of two
  const chunk = machine.back.books.removeFree();
  assert.equal(chunk, 0);
  machine.tags.fill(77);
  machine.settle();
  assert.ok(machine.tags.every((tag) => tag === 77));
});

test('a lost ring delays an answer and a return, and loses neither', () => {
  const { machine, asker, donor } = machineWithDonor(4);
  asker.request(2, 1_000_000);
  machine.domains[0]!.bell.fill(0);
  machine.settle();
  assert.equal(asker.answer, undefined);
  machine.advance(300_000);
  assert.equal(asker.answer, GIVEN.ok);
  assert.ok(asker.claim(2 * CHUNK_BYTES));
  donor.release();
  machine.domains[1]!.bell.fill(0);
  machine.advance(300_000);
  machine.advance(300_000);
  assert.equal(machine.back.books.freeChunks, 1);
});
