import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { budgetsOf, divideBudget, staticShares } from '../../../../src/evaluation/bench/curve/budgets.ts';
import { outcomesOf, type ServedFrom } from '../../../../src/evaluation/bench/curve/outcomes.ts';
import {
  intervalsOf,
  mergePlans,
  offsetShares,
  rotateTrace,
  type Schedule,
} from '../../../../src/evaluation/bench/curve/schedule.ts';
import { playStaticSplit } from '../../../../src/evaluation/bench/curve/static-split.ts';
import type { ReplayPlan, ReplayStep } from '../../../../src/evaluation/replay/plan.ts';
import type { Sizing } from '../../../../src/policy/sizing.ts';

const take = (lease: number, atMicros: number, byteLength: number): ReplayStep => ({
  kind: 'take',
  atMicros,
  lease,
  byteLength,
});
const give = (lease: number, atMicros: number): ReplayStep => ({ kind: 'give', atMicros, lease });
const planOf = (durationMicros: number, ...steps: ReplayStep[]): ReplayPlan => ({
  steps,
  durationMicros,
  peakBytes: 0,
});

const LEFT = planOf(1_000_000, take(0, 0, 10), take(1, 5000, 10), give(0, 900_000), give(1, 1_000_000));
const RIGHT = planOf(1_000_000, take(0, 5000, 30), give(0, 6000));

test('quiet gaps are cut, and the order in which domains take and give is kept', () => {
  const schedule = mergePlans([LEFT, RIGHT], 2000);
  const told = schedule.moments.map(({ steps, pauseMicros, lastsMicros }) => [
    steps.map(({ kind, domain, lease }) => `${kind} ${domain}.${lease}`).join(' '),
    lastsMicros,
    pauseMicros,
  ]);
  assert.deepEqual(told, [
    ['take 0.0', 5000, 2000],
    ['take 0.1 take 1.0', 1000, 1000],
    ['give 1.0', 894_000, 2000],
    ['give 0.0', 100_000, 2000],
    ['give 0.1', 0, 0],
  ]);
  assert.equal(schedule.requests, 3);
  assert.equal(schedule.recordedMicros, 1_000_000);
  assert.equal(schedule.playedMicros, 7000);
});

test('a rotated trace keeps its values in circular order, and instants that rise from 0', () => {
  const trace = {
    atMicros: Float64Array.of(0, 10, 20, 30),
    usedBytes: Float64Array.of(1, 2, 3, 4),
  };
  const rotated = rotateTrace(trace, 15);
  assert.deepEqual([...rotated.usedBytes], [3, 4, 1, 2]);
  assert.deepEqual([...rotated.atMicros], [0, 10, 20, 30]);
  assert.equal(rotateTrace(trace, 0), trace);
});

test('offsets are spread over half a recording and never in step', () => {
  assert.deepEqual(offsetShares(1), [0.25]);
  assert.deepEqual(offsetShares(3), [0.125, 0.25, 0.375]);
});

test('intervals of need run from a request to its return; what is given back at once is none', () => {
  const plan = planOf(100, take(0, 10, 7), take(1, 20, 5), give(1, 20), give(0, 60));
  assert.deepEqual(intervalsOf([planOf(0), plan], 1000), [{ domain: 1, startMicros: 1010, endMicros: 1060, bytes: 7 }]);
});

const sizing = (reserveBytes: number[], poolBytes: number, worstCaseBytes: number): Sizing => ({
  reserveBytes,
  poolBytes,
  idleBytes: reserveBytes.reduce((sum, reserve) => sum + reserve, poolBytes),
  worstCaseBytes,
  missedShare: 0,
  ownReserveShare: 0,
  evidence: 'enough',
});

test('budgets run from nothing through the suggestion to the worst case', () => {
  const budgets = budgetsOf(sizing([20, 0], 60, 100), true, 2);
  assert.deepEqual(budgets, [
    { bytes: 0 },
    { bytes: 20 },
    { bytes: 40 },
    { bytes: 80, name: 'suggested' },
    { bytes: 100, name: 'worst case' },
  ]);
});

test('a suggestion as large as the worst case is one budget, not two', () => {
  const names = budgetsOf(sizing([50, 50], 0, 100), false, 2).map(({ name }) => name);
  assert.deepEqual(names.filter(Boolean), ['worst case']);
});

test('the suggestion is divided as suggested, and the worst case into reserves alone', () => {
  const suggested = sizing([20, 0], 60, 100);
  assert.deepEqual(divideBudget(80, suggested, [50, 50], 2), { reserves: [20, 0], offers: [30, 30] });
  assert.deepEqual(divideBudget(100, suggested, [50, 50], 2), { reserves: [50, 50], offers: [0, 0] });
  assert.deepEqual(divideBudget(0, suggested, [50, 50], 2), { reserves: [0, 0], offers: [0, 0] });
});

test('whatever the budget, memtide and the static split are given all of it in whole chunks', () => {
  const CHUNK = 4;
  const chunks = fc.nat(50).map((count) => count * CHUNK);
  fc.assert(
    fc.property(
      fc.tuple(chunks, chunks),
      fc.tuple(chunks, chunks),
      fc.double({ min: 0, max: 1, noNaN: true }),
      chunks,
      (reserves, more, share, pool) => {
        const peaks = reserves.map((reserve, domain) => reserve + more[domain]! + pool);
        const worst = peaks.reduce((sum, peak) => sum + peak, 0);
        const suggested = sizing(reserves, pool, worst);
        const budget = Math.floor((worst * share) / CHUNK) * CHUNK;
        const holding = divideBudget(budget, suggested, peaks, CHUNK);
        for (const parts of [[...holding.reserves, ...holding.offers], staticShares(budget, peaks, CHUNK)]) {
          assert.ok(
            parts.every((part) => part >= 0 && part % CHUNK === 0),
            String(parts),
          );
          assert.equal(
            parts.reduce((sum, part) => sum + part, 0),
            budget,
          );
        }
      },
    ),
  );
});

const schedule = (): Schedule => mergePlans([LEFT, RIGHT], 0);

test('a static split misses what does not fit the share of the domain, though the other has room', () => {
  assert.equal(playStaticSplit(schedule(), [20, 30]).misses, 0);
  assert.equal(playStaticSplit(schedule(), [100, 29]).misses, 1);
  assert.equal(playStaticSplit(schedule(), [0, 0]).misses, 3);
});

test('a static split does without what it was refused, and gets back only what it took', () => {
  // The second request of the left domain does not fit; giving it back must not make room for anything.
  const plan = planOf(40, take(0, 0, 10), take(1, 10, 10), give(1, 20), take(2, 30, 10), give(0, 40), give(2, 40));
  assert.equal(playStaticSplit(mergePlans([plan], 0), [10]).misses, 2);
});

test('idle memory of a static split is the mean over recorded time', () => {
  const plan = planOf(100, take(0, 0, 10), give(0, 25));
  assert.equal(playStaticSplit(mergePlans([plan], 0), [10]).idleBytes, 7.5);
});

const sample = (from: ServedFrom, micros: number) => ({ domain: 0, byteLength: 1, from, micros });

test('a refused burst counts as slower than any, and as missed', () => {
  const outcomes = outcomesOf([sample('own', 10), sample('refused', 1), sample('refused', 1)]);
  assert.equal(outcomes.p50, 'refused');
  assert.equal(outcomes.max, 10);
  assert.equal(outcomes.missShare, 2 / 3);
  assert.equal(outcomes.p99, undefined, 'too few for it');
});

test('a burst that others were asked for is missed though it was served', () => {
  const outcomes = outcomesOf([sample('own', 1), sample('pool', 2), sample('donor', 3), sample('own', 4)]);
  assert.equal(outcomes.missShare, 0.5);
  assert.deepEqual(outcomes.counts, { own: 2, pool: 1, donor: 1, refused: 0 });
  assert.equal(outcomes.p50, 2);
});
