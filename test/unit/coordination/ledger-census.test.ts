import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { BLOCK, type Geometry, STATE, wordOf } from '../../../src/control/layout.ts';
import { BlockTable, Ledger } from '../../../src/control/ledger.ts';
import { ChunkBooks } from '../../../src/coordination/chunk-books.ts';
import { offerFree, withdrawFromOthers } from '../../../src/coordination/chunk-offers.ts';
import { LedgerCensus } from '../../../src/coordination/ledger-census.ts';

const GEOMETRY: Geometry = { chunkCount: 12, chunkShift: 18, blockShift: 16 };

/** Books and ledgers of some pairs, each with `offered` chunks on offer, down to a floor. */
function machine(offered: readonly number[], floorChunks = 0) {
  const books = new ChunkBooks(GEOMETRY.chunkCount);
  for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) books.addFree(chunk, true);
  const pairs = offered.map((chunks, id) => {
    const ledger = new Ledger(controlFileInMemory(GEOMETRY, id), GEOMETRY);
    assert.equal(offerFree(books, ledger, id, chunks), chunks);
    return { ledger, limits: { floorChunks } };
  });
  const held = (): number[] => pairs.map((_, id) => books.heldBy(id));
  return { books, pairs, held };
}

test('a census counts each pair by state', () => {
  const { books, pairs } = machine([3, 0, 5]);
  pairs[2]!.ledger.set(3, wordOf(STATE.leasedRevocable, 7));
  const census = new LedgerCensus(books, pairs);
  census.take();
  const of = (state: number): number[] => pairs.map((_, id) => census.of(id, state));
  assert.deepEqual(of(STATE.offered), [3, 0, 4]);
  assert.deepEqual(of(STATE.leasedRevocable), [0, 0, 1]);
});

test('what a pair says of chunks that are not its own does not count', () => {
  const { books, pairs } = machine([2, 2]);
  for (let chunk = 0; chunk < GEOMETRY.chunkCount; chunk++) pairs[1]!.ledger.set(chunk, wordOf(STATE.reserved));
  const census = new LedgerCensus(books, pairs);
  census.take();
  assert.equal(census.of(1, STATE.reserved), 2);
  assert.equal(census.of(0, STATE.offered), 2);
});

test('a split chunk that no session holds a part of is idle, also while its front end is at work on it', () => {
  const { books, pairs } = machine([3]);
  const file = controlFileInMemory(GEOMETRY, 0);
  const ledger = new Ledger(file, GEOMETRY);
  const blocks = new BlockTable(file, GEOMETRY);
  const census = new LedgerCensus(books, [{ ledger, blocks }, ...pairs.slice(1)]);
  const idleWith = (state: number, words: readonly number[]): number => {
    ledger.set(0, wordOf(state));
    for (const [block, word] of words.entries()) blocks.set(0, block, word);
    census.take();
    return census.idle(0);
  };
  const { none, free, dirty, scrubbing } = BLOCK;
  assert.equal(idleWith(STATE.split, [free, dirty, dirty, free]), 1);
  assert.equal(idleWith(STATE.split, [free, scrubbing, dirty, free]), 1);
  assert.equal(idleWith(STATE.merging, [none, none, free, free]), 1);
  assert.equal(idleWith(STATE.merging, [none, none, BLOCK.sessionBase + 1, free]), 0);
  assert.equal(idleWith(STATE.split, [free, BLOCK.sessionBase + 1, dirty, free]), 0);
});

test('a second census begins from nothing', () => {
  const { books, pairs } = machine([4, 4]);
  const census = new LedgerCensus(books, pairs);
  census.take();
  census.take();
  assert.equal(census.of(0, STATE.offered), 4);
});

test('offers of others are withdrawn as far as they are needed, never the own ones', () => {
  const { books, pairs, held } = machine([4, 4, 4]);
  assert.equal(
    withdrawFromOthers(books, pairs, 0, 6, () => 1),
    6,
  );
  assert.equal(held()[0], 4);
  assert.equal(books.freeChunks, 6);
});

test('no pair is taken below its floor, and none loses what it has claimed', () => {
  const { books, pairs, held } = machine([4, 4, 4], 3);
  pairs[2]!.ledger.set(8, wordOf(STATE.leased, 1));
  assert.equal(
    withdrawFromOthers(books, pairs, 0, 12, (id) => books.heldBy(id) - pairs[id]!.limits.floorChunks),
    2,
  );
  assert.deepEqual(held(), [4, 3, 3]);
  assert.equal(books.ownerOf(8), 2);
});
