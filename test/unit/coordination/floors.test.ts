/** A floor is a promise, whatever crosses what on the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GIVEN, STATE } from '../../../src/control/layout.ts';
import { SOURCE_BACKEND } from '../../../src/coordination/sources.ts';
import { CHUNK_BYTES, PlaneMachine, ring } from './plane-machine.ts';

const free = { floorChunks: 0, ceilingChunks: 16, offerChunks: 0 };

test('memory that goes back unasked while it is asked for is not given twice', () => {
  const machine = new PlaneMachine([free, { ...free, floorChunks: 2 }], 5);
  const [, domain] = machine.domains;
  const asker = machine.domains[0]!.connect(1);
  const donor = domain!.connect(1);
  domain!.setReserve(2);
  donor.request(5, 1000);
  machine.settle();
  for (let lease = 0; lease < 5; lease++) assert.ok(donor.claim(CHUNK_BYTES, true));
  donor.yields = false;
  machine.settle();

  domain!.stopped = true;
  asker.request(3, 100_000);
  machine.settle(); // the front end is asked for three, and does not hear it yet
  for (let lease = 0; lease < 4; lease++) donor.release();
  domain!.bell.fill(0);
  ring(domain!.bell, 1);
  domain!.plane.poll(domain!.bell); // two are more than it wants to hold
  machine.settle();
  assert.equal(machine.back.books.heldBy(1), 3);
  domain!.stopped = false;
  ring(domain!.bell, SOURCE_BACKEND); // now it hears of the three
  machine.settle();
  assert.equal(machine.back.books.heldBy(1), 2);
  assert.equal(asker.answer, GIVEN.ok);
  machine.check();
});

test('offers are withdrawn for another purpose only down to the floor', () => {
  const machine = new PlaneMachine([{ floorChunks: 3, ceilingChunks: 16, offerChunks: 6 }]);
  machine.settle();
  machine.back.setLimits(0, { floorChunks: 3, ceilingChunks: 16, offerChunks: 0 });
  machine.settle();
  assert.equal(machine.count(0, STATE.offered), 3);
});

test('promises of a request that may fail are not taken for what the domain holds', () => {
  const machine = new PlaneMachine([{ ...free, floorChunks: 2 }, { ...free, floorChunks: 0 }, free], 6);
  const [domain, stuck, third] = machine.domains;
  const holder = domain!.connect(1);
  holder.request(2, 1000);
  machine.settle();
  assert.ok(holder.claim(2 * CHUNK_BYTES, true));
  const donor = stuck!.connect(1);
  donor.yields = false;
  donor.request(3, 1000);
  machine.settle();
  for (let lease = 0; lease < 3; lease++) assert.ok(donor.claim(CHUNK_BYTES, true));
  domain!.connect(2).request(3, 10_000); // is promised the last one and waits for two of the donor
  machine.settle();
  assert.equal(machine.back.books.heldBy(0), 3);
  const asker = third!.connect(1);
  asker.request(1, 10_000);
  machine.settle();
  machine.advance(20_000);
  assert.equal(machine.back.books.heldBy(0), 2, 'the promise went back; its floor did not');
  assert.equal(holder.claims.length, 1, 'its application was not asked to let go');
});
