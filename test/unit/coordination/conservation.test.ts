/** Whatever two domains and their applications do, and in whatever order: no byte has two owners, and none is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { STATE } from '../../../src/control/layout.ts';
import { CHUNK_BYTES, GEOMETRY, PlaneMachine } from './plane-machine.ts';

const LIMITS = { floorChunks: 1, ceilingChunks: 14, offerChunks: 2 };

type Step = (machine: PlaneMachine) => void;

const app = fc.record({ domain: fc.nat(1), session: fc.integer({ min: 1, max: 3 }) });
const appOf = (machine: PlaneMachine, { domain, session }: { domain: number; session: number }) =>
  machine.domains[domain]!.apps.get(session) ?? machine.domains[domain]!.connect(session);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ who: app, blocks: fc.integer({ min: 1, max: 40 }), revocable: fc.boolean() }).map(
      ({ who, blocks, revocable }): Step =>
        (machine) =>
          void appOf(machine, who).claim((blocks * CHUNK_BYTES) / 8, revocable),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.record({ who: app, index: fc.nat(5) }).map(
      ({ who, index }): Step =>
        (machine) =>
          appOf(machine, who).release(index),
    ),
  },
  {
    weight: 5,
    arbitrary: fc.record({ who: app, chunks: fc.integer({ min: 1, max: 12 }), deadline: fc.nat(20_000) }).map(
      ({ who, chunks, deadline }): Step =>
        (machine) =>
          void appOf(machine, who).request(chunks, deadline),
    ),
  },
  {
    weight: 1,
    arbitrary: app.map(
      (who): Step =>
        (machine) =>
          appOf(machine, who).die(),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ who: app, yields: fc.boolean() }).map(
      ({ who, yields }): Step =>
        (machine) => {
          appOf(machine, who).yields = yields;
        },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ domain: fc.nat(1), chunks: fc.nat(6) }).map(
      ({ domain, chunks }): Step =>
        (machine) =>
          machine.domains[domain]!.setReserve(chunks),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(1).map(
      (domain): Step =>
        (machine) =>
          void machine.domains[domain]!.startPlane(),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ domain: fc.nat(1), stopped: fc.boolean() }).map(
      ({ domain, stopped }): Step =>
        (machine) => {
          machine.domains[domain]!.stopped = stopped;
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (split): Step =>
        (machine) =>
          machine.back.setMode(split, 1000),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ domain: fc.nat(1), ceiling: fc.integer({ min: 2, max: 16 }), offer: fc.nat(4) }).map(
      ({ domain, ceiling, offer }): Step =>
        (machine) =>
          machine.back.setLimits(domain, { floorChunks: 1, ceilingChunks: ceiling, offerChunks: offer }),
    ),
  },
  // One party alone makes one step, between any steps of the others.
  {
    weight: 4,
    arbitrary: fc.nat(2).map(
      (party): Step =>
        (machine) => {
          if (party === 2) machine.back.poll(machine.backBell);
          else if (!machine.domains[party]!.stopped) machine.domains[party]!.plane.poll(machine.domains[party]!.bell);
        },
    ),
  },
  { weight: 4, arbitrary: fc.constant<Step>((machine) => machine.settle()) },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 400_000 }).map(
      (micros): Step =>
        (machine) =>
          machine.advance(micros),
    ),
  },
);

function everybodyGoesHome(machine: PlaneMachine): void {
  for (const domain of machine.domains) {
    domain.stopped = false;
    for (const one of domain.apps.values()) while (one.claims.length > 0) one.release();
    domain.setReserve(2);
  }
  machine.back.setMode(false, 1000);
  for (let turn = 0; turn < 8; turn++) machine.advance(300_000);
}

test('any history of two domains keeps every chunk accounted for, and scrubbed before it changes hands', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), (steps) => {
      const machine = new PlaneMachine([LIMITS, LIMITS]);
      for (const take of steps) {
        take(machine);
        machine.check();
      }
      everybodyGoesHome(machine);
      machine.check();
      const counts = new Int32Array(16);
      for (const { id, ledger } of machine.domains) {
        ledger.countAll(counts);
        const idle = counts[STATE.none]! + counts[STATE.offered]! + counts[STATE.reserved]!;
        assert.equal(idle, GEOMETRY.chunkCount, `domain ${id}: ${counts}`);
        for (const one of machine.domains[id]!.apps.values())
          assert.notEqual(one.answer, undefined, 'every request ends');
      }
      for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) {
        assert.ok(!machine.back.books.isFree(chunk) || machine.back.books.isClean(chunk));
      }
      assert.ok(
        machine.tags.every((tag) => tag === 0),
        'all memory is zeroed in the end',
      );
    }),
    { numRuns: 1000 },
  );
});

/** What the checks above say to a machine of which one safety mechanism is switched off. */
function burst(machine: PlaneMachine): void {
  const [first, second] = machine.domains;
  const donor = first!.connect(1);
  const asker = second!.connect(1);
  donor.request(10, 1000);
  machine.settle();
  while (donor.claim(CHUNK_BYTES, true));
  asker.request(8, 10_000);
  machine.settle();
  machine.check();
  assert.ok(asker.claim(8 * CHUNK_BYTES));
  machine.check();
}

test('sabotage: with everything in place the burst below is in order', () => {
  burst(new PlaneMachine([LIMITS, LIMITS]));
});

test('sabotage: without scrubbing, memory that is handed on as it was is noticed', () => {
  const machine = new PlaneMachine([LIMITS, LIMITS]);
  machine.scrubbing = false;
  assert.throws(() => burst(machine), /handed on as it was/);
});

test('sabotage: a back end that believes ledgers instead of its books is noticed', () => {
  const machine = new PlaneMachine([LIMITS, LIMITS]);
  const [thief, victim] = machine.domains;
  const app = victim!.connect(1);
  machine.settle();
  const { start } = app.claim(CHUNK_BYTES)!;
  const { books } = machine.back;
  const believing = Object.assign(books, { ownerOf: () => thief!.id });
  thief!.ledger.set(start, 11);
  assert.throws(() => {
    machine.advance(200_000);
    machine.check();
  }, /books and ledger agree|conservation|in use in 2/);
  assert.equal(believing, books);
});

test('sabotage: a session that is taken back without proof of its end gives memory two owners', () => {
  const machine = new PlaneMachine([LIMITS, LIMITS]);
  const [domain] = machine.domains;
  domain!.setReserve(4);
  machine.settle();
  const alive = domain!.connect(1);
  const other = domain!.connect(2);
  assert.ok(alive.claim(CHUNK_BYTES));
  alive.reap();
  assert.throws(() => {
    machine.settle();
    machine.check();
    while (other.claim(CHUNK_BYTES));
  }, /still what its holder wrote|two owners/);
});

test('sabotage: without a clock the deadline of a stuck donor never comes, and the request never ends', () => {
  const machine = new PlaneMachine([LIMITS, LIMITS]);
  const donor = machine.domains[0]!.connect(1);
  const asker = machine.domains[1]!.connect(1);
  donor.request(12, 1000);
  machine.settle();
  while (donor.claim(CHUNK_BYTES, true));
  donor.yields = false;
  asker.request(8, 10_000);
  for (let turn = 0; turn < 100; turn++) machine.settle();
  assert.equal(asker.answer, undefined);
  machine.advance(10_001);
  assert.notEqual(asker.answer, undefined);
});
