/** A back end that is killed in the middle of its work, and the one that takes over from its books. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GIVEN, STATE, wordOf } from '../../../src/control/layout.ts';
import { ownedBy } from '../../../src/control/owner-table.ts';
import { type App, CHUNK_BYTES, GEOMETRY, PlaneMachine } from './plane-machine.ts';

const limits = { floorChunks: 0, ceilingChunks: 16, offerChunks: 4 };

function machineOfTwo(): PlaneMachine {
  const machine = new PlaneMachine([limits, limits]);
  machine.settle();
  return machine;
}

test('leases, offers and reserve of every domain outlive the back end', () => {
  const machine = machineOfTwo();
  const [first, second] = machine.domains;
  first!.setReserve(3);
  machine.settle();
  const app = second!.connect(1);
  assert.ok(app.claim(2 * CHUNK_BYTES));
  machine.startBack();
  machine.check();
  machine.advance(300_000);
  machine.check();
  assert.equal(first!.ledger.count(STATE.reserved), 3);
  assert.equal(second!.ledger.count(STATE.leased), 2);
  app.release();
  machine.advance(300_000);
  machine.check();
});

test('what was free is scrubbed again before anybody gets it', () => {
  const machine = new PlaneMachine([{ ...limits, offerChunks: 0 }, limits]);
  machine.settle();
  machine.tags.fill(77); // how far the dead one had come is not known
  for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) {
    if (machine.back.books.ownerOf(chunk) >= 0) machine.tags.fill(0, chunk * 8, chunk * 8 + 8);
  }
  machine.startBack();
  const app = machine.domains[0]!.connect(1);
  app.request(4, 1000);
  machine.settle();
  assert.equal(app.answer, GIVEN.ok);
  assert.ok(app.claim(4 * CHUNK_BYTES)); // checked for zeroes
});

test('a request that was promised a part and not answered leaves nothing behind, and can be asked again', () => {
  const machine = machineOfTwo();
  const [domain] = machine.domains;
  const app = domain!.connect(1);
  app.request(6, 1_000_000);
  // As the dead one left it: some chunks promised, the answer not given.
  const free = [...machine.owners.keys()].filter((chunk) => machine.back.books.isFree(chunk)).slice(0, 2);
  for (const chunk of free) {
    machine.owners[chunk] = ownedBy(0);
    domain!.ledger.set(chunk, wordOf(STATE.promised, 1));
  }
  machine.startBack();
  assert.equal(domain!.ledger.count(STATE.promised), 0);
  machine.settle();
  assert.equal(app.answer, GIVEN.ok, 'its entry was still in the ring');
  assert.ok(app.claim(6 * CHUNK_BYTES));
  machine.check();
});

test('a step that was half done is ended: the chunk is the pool’s or the domain’s, and lost to nobody', () => {
  for (const owner of ['free', 'pair'] as const) {
    const machine = machineOfTwo();
    const chunk = [...machine.owners.keys()].find((each) => machine.back.books.isFree(each))!;
    machine.domains[0]!.ledger.set(chunk, wordOf(STATE.returning));
    if (owner === 'pair') machine.owners[chunk] = ownedBy(0);
    machine.startBack();
    assert.ok(machine.back.books.isFree(chunk), owner);
    machine.settle();
    machine.check();
  }
});

test('whenever the back end is killed, no chunk is lost and none has two owners', () => {
  const step = fc.record({
    domain: fc.nat(1),
    what: fc.constantFrom('request', 'claim', 'release', 'reserve', 'kill', 'time'),
    size: fc.integer({ min: 1, max: 6 }),
    /** How many of the back end's effects are carried out before it dies. */
    after: fc.nat(12),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const machine = machineOfTwo();
      const apps: App[] = machine.domains.map((domain) => domain.connect(1));
      for (const { domain, what, size, after } of steps) {
        const app = apps[domain]!;
        if (what === 'request') app.request(size, 20_000);
        else if (what === 'claim') app.claim(size * CHUNK_BYTES, size % 2 === 0);
        else if (what === 'release') app.release();
        else if (what === 'reserve') machine.domains[domain]!.setReserve(size);
        else if (what === 'kill') machine.killBackAfter(after);
        if (what === 'time') machine.advance(size * 60_000);
        else machine.settle();
        machine.check();
      }
      for (const app of apps) while (app.claims.length > 0) app.release();
      for (const domain of machine.domains) domain.setReserve(0);
      for (let turn = 0; turn < 6; turn++) machine.advance(300_000);
      machine.check();
      const held = machine.domains.map(({ ledger }) => ledger.count(STATE.offered));
      assert.equal(machine.back.books.freeChunks + held[0]! + held[1]!, GEOMETRY.chunkCount, 'everything is back');
    }),
    { numRuns: 150 },
  );
});
