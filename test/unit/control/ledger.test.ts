import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { controlBytes, STATE, stateOf, wordOf } from '../../../src/control/layout.ts';
import { Claimer, Ledger } from '../../../src/control/ledger.ts';

const GEOMETRY = { chunkCount: 24, chunkShift: 18, blockShift: 16 };

function filled(words: readonly number[]): Ledger {
  const ledger = new Ledger(controlFileInMemory(GEOMETRY), GEOMETRY);
  words.forEach((word, chunk) => {
    ledger.set(chunk, word);
  });
  return ledger;
}

const claimableBy = (word: number, session: number): boolean =>
  word === wordOf(STATE.reserved) || word === wordOf(STATE.offered) || word === wordOf(STATE.promised, session);

const anyWord = fc.oneof(
  fc.constantFrom(wordOf(STATE.reserved), wordOf(STATE.offered), wordOf(STATE.promised, 1), wordOf(STATE.promised, 2)),
  fc.constantFrom(wordOf(STATE.none), wordOf(STATE.dirty), wordOf(STATE.leased, 2), wordOf(STATE.scrubbing)),
);
const anyLedger = fc.array(anyWord, { minLength: GEOMETRY.chunkCount, maxLength: GEOMETRY.chunkCount });

test('a run is found exactly if there is one, wherever the search starts, and nothing else is touched', () => {
  fc.assert(
    fc.property(
      anyLedger,
      fc.integer({ min: 1, max: 6 }),
      fc.nat(40),
      fc.boolean(),
      (words, length, hint, revocable) => {
        const ledger = filled(words);
        const claimer = new Claimer(ledger, 1);
        claimer.hintAt(hint);
        const start = claimer.claimRun(length, revocable);
        const fits = (at: number): boolean =>
          words.slice(at, at + length).filter((word) => claimableBy(word, 1)).length === length;
        const exists = words.some((_, at) => fits(at));
        assert.equal(start >= 0, exists);
        const to = wordOf(revocable ? STATE.leasedRevocable : STATE.leased, 1);
        words.forEach((word, chunk) => {
          const mine = exists && chunk >= start && chunk < start + length;
          assert.equal(ledger.peek(chunk), mine ? to : word);
        });
        if (exists) {
          assert.ok(fits(start));
          const { reserve, pool, peer } = claimer.counts;
          const taken = words.slice(start, start + length);
          assert.equal(reserve, taken.filter((word) => word === wordOf(STATE.reserved)).length);
          assert.equal(pool, taken.filter((word) => word === wordOf(STATE.offered)).length);
          assert.equal(reserve + pool + peer, length);
        }
      },
    ),
  );
});

test('as many chunks as there are, and no more than wanted, are taken from wherever they lie', () => {
  fc.assert(
    fc.property(anyLedger, fc.integer({ min: 1, max: 24 }), fc.boolean(), (words, most, released) => {
      const ledger = filled(words);
      const into: number[] = [];
      const fits = (word: number): boolean => (released ? stateOf(word) === STATE.dirty : claimableBy(word, 1));
      const taken = new Claimer(ledger, 1).claimSome(most, into, released);
      assert.equal(taken, Math.min(most, words.filter(fits).length));
      assert.equal(new Set(into).size, taken);
      words.forEach((word, chunk) => {
        assert.ok(!into.includes(chunk) || fits(word));
        assert.equal(ledger.peek(chunk), into.includes(chunk) ? wordOf(STATE.leased, 1) : word);
      });
    }),
  );
});

/** A ledger whose next compare-and-swap loses a race: another session has been faster. */
class RacedLedger extends Ledger {
  readonly #losses: number[];
  constructor(losses: number[]) {
    super(controlFileInMemory(GEOMETRY), GEOMETRY);
    this.#losses = losses;
  }
  override move(chunk: number, from: number, to: number): boolean {
    if (this.#losses[0] === chunk && stateOf(to) === STATE.leased) {
      this.#losses.shift();
      this.set(chunk, wordOf(STATE.leased, 9));
    }
    return super.move(chunk, from, to);
  }
}

test('a claimer that loses a chunk in the middle of a run gives the others up and takes the next run', () => {
  const ledger = new RacedLedger([2, 5]);
  for (let chunk = 0; chunk < 12; chunk++) ledger.set(chunk, wordOf(STATE.offered));
  assert.equal(new Claimer(ledger, 1).claimRun(4), 6);
  const owners = Array.from({ length: 12 }, (_, chunk) => ledger.peek(chunk));
  assert.deepEqual(owners.filter((word) => word === wordOf(STATE.leased, 1)).length, 4);
  assert.deepEqual(owners.filter((word) => word === wordOf(STATE.leased, 9)).length, 2);
  assert.ok([0, 1, 3, 4].every((chunk) => [STATE.reserved, STATE.offered].includes(stateOf(owners[chunk]!) as never)));
});

test('only the session that holds a chunk can release it', () => {
  const ledger = filled([wordOf(STATE.leased, 2), wordOf(STATE.leasedRevocable, 1), wordOf(STATE.reserved)]);
  const claimer = new Claimer(ledger, 1);
  for (const chunk of [0, 1, 2]) claimer.release(chunk);
  assert.deepEqual(
    [0, 1, 2].map((chunk) => ledger.peek(chunk)),
    [wordOf(STATE.leased, 2), wordOf(STATE.dirty), wordOf(STATE.reserved)],
  );
});

test('threads that hammer one ledger never hold a chunk or a block together, and lose none', async () => {
  const threads = 4;
  const buffer = new SharedArrayBuffer(controlBytes(GEOMETRY));
  const owners = new SharedArrayBuffer(GEOMETRY.chunkCount * 4 * 4);
  const ledger = new Ledger(
    { words: new Int32Array(buffer), halfwords: new Uint16Array(buffer), address: 0, byteLength: buffer.byteLength },
    GEOMETRY,
  );
  for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) ledger.set(chunk, wordOf(STATE.offered));
  const clashes = await Promise.all(
    Array.from({ length: threads + 1 }, (_, session) => {
      const worker = new Worker(new URL('./ledger-hammer.js', import.meta.url), {
        workerData: { buffer, owners, geometry: GEOMETRY, session, threads, rounds: 4000 },
      });
      return new Promise<{ clashes: number; claims: number }>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    }),
  );
  assert.deepEqual(
    clashes.map((thread) => thread.clashes),
    new Array(threads + 1).fill(0),
  );
  assert.ok(
    clashes.slice(1).every(({ claims }) => claims > 0),
    'each of them got something',
  );
  const counts = new Int32Array(16);
  ledger.countAll(counts);
  assert.equal(counts[STATE.offered]! + counts[STATE.reserved]!, GEOMETRY.chunkCount, `${counts}`);
});

test('a claim that loses a race leaves the session what it was promised', () => {
  class Contested extends Ledger {
    override move(chunk: number, from: number, to: number): boolean {
      return chunk !== 1 && super.move(chunk, from, to); // somebody is always faster there
    }
  }
  const ledger = new Contested(controlFileInMemory(GEOMETRY), GEOMETRY);
  ledger.set(0, wordOf(STATE.promised, 1));
  ledger.set(1, wordOf(STATE.offered));
  const claimer = new Claimer(ledger, 1);
  assert.equal(claimer.claimRun(2), -1);
  const into: number[] = [];
  assert.equal(claimer.claimSome(2, into, false), 1);
  for (const chunk of into) claimer.giveBackClean(chunk);
  assert.equal(ledger.peek(0), wordOf(STATE.promised, 1));
});
