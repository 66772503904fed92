/** A front end that dies in the middle of its work, and the one that takes over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK, GIVEN, STATE, wordOf } from '../../../src/control/layout.ts';
import { BlockTable } from '../../../src/control/ledger.ts';
import { CHUNK_BYTES, GEOMETRY, PlaneMachine } from './plane-machine.ts';

const limits = { floorChunks: 0, ceilingChunks: 16, offerChunks: 4 };

function split(): { machine: PlaneMachine; blocks: BlockTable } {
  const machine = new PlaneMachine([limits, limits]);
  machine.domains[0]!.setReserve(2);
  machine.settle();
  return { machine, blocks: new BlockTable(machine.domains[0]!.file, GEOMETRY) };
}

test('a chunk that was being scrubbed is scrubbed again', () => {
  const { machine } = split();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  const claimed = app.claim(CHUNK_BYTES)!;
  app.release();
  domain!.plane.poll(domain!.bell);
  assert.equal(domain!.ledger.peek(claimed.start), wordOf(STATE.scrubbing));
  domain!.startPlane();
  machine.settle();
  assert.equal(domain!.ledger.count(STATE.scrubbing), 0);
  while (app.claim(CHUNK_BYTES)); // each is checked for zeroes
  machine.check();
});

test('a chunk that was being merged is opened again, and merged', () => {
  const { machine, blocks } = split();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  const { start } = app.claim(2 ** 16)!;
  app.release();
  domain!.ledger.set(start, wordOf(STATE.merging));
  for (let block = 1; block < 5; block++) blocks.set(start, block, BLOCK.none);
  domain!.startPlane();
  machine.settle();
  assert.equal(domain!.ledger.count(STATE.merging) + domain!.ledger.count(STATE.split), 0);
  machine.check();
});

test('a block that was being scrubbed is scrubbed again', () => {
  const { machine, blocks } = split();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  const { start } = app.claim(2 ** 16)!;
  app.release();
  blocks.set(start, 0, BLOCK.scrubbing);
  domain!.startPlane();
  machine.settle();
  assert.equal(domain!.ledger.count(STATE.split), 0);
});

test('a request that the dead front end had taken and not passed on is passed on', () => {
  const { machine } = split();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  app.request(3, 1_000_000);
  domain!.bell.fill(0);
  domain!.startPlane();
  machine.settle();
  assert.equal(app.answer, GIVEN.ok);
});

test('a request that the back end has already is not refused for being told twice', () => {
  const { machine } = split();
  const donor = machine.domains[1]!.connect(1);
  donor.yields = false;
  donor.request(8, 1000);
  machine.settle();
  while (donor.claim(CHUNK_BYTES, true));
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  app.request(8, 1_000_000);
  machine.settle();
  assert.equal(app.answer, undefined);
  domain!.startPlane();
  machine.settle();
  assert.equal(app.answer, undefined);
  while (donor.claims.length > 0) donor.release();
  machine.settle();
  assert.equal(app.answer, GIVEN.ok);
  machine.check();
});

test('an application that dies while it splits a chunk takes no blocks of others with it', () => {
  const { machine, blocks } = split();
  const [domain] = machine.domains;
  const [dying, other] = [domain!.connect(1), domain!.connect(2)];
  const { start } = dying.claim(2 ** 16)!;
  const taken = other.claim(2 ** 16)!;
  assert.equal(taken.start, start);
  // As far as it had come: its own block and that of the other are set, the rest is not.
  domain!.ledger.set(start, wordOf(STATE.splitting, 1));
  for (let block = 2; block < blocks.perChunk; block++) blocks.set(start, block, BLOCK.none);
  dying.die();
  machine.settle();
  assert.equal(blocks.peek(start, taken.firstBlock), BLOCK.sessionBase + 2);
  other.release();
  machine.settle();
  assert.equal(domain!.ledger.count(STATE.split), 0);
  machine.check();
});

test('blocks of a dead session come back although their chunk was being merged at that moment', () => {
  const { machine, blocks } = split();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  const { start } = app.claim(2 ** 16)!;
  domain!.ledger.set(start, wordOf(STATE.merging));
  app.die();
  assert.equal(blocks.peek(start, 0), BLOCK.dirty);
});
