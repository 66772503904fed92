/** When a front end asks its back end for new offers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { FRONT, LEDGER, STATE } from '../../../src/control/layout.ts';
import { FrontendPlane } from '../../../src/coordination/frontend-plane.ts';
import { GEOMETRY } from './plane-machine.ts';

/** Rings of a front end that wants 4 chunks in its reserve and finds so many offered. */
function ringsWith(offered: number, asksLate: boolean): number {
  const file = controlFileInMemory(GEOMETRY, 1);
  let rings = 0;
  const plane = new FrontendPlane(file, GEOMETRY, {
    clock: new VirtualClock(1_000_000),
    scrub: () => {},
    wakeSession: () => {},
    ringBackend: () => rings++,
    asksLate,
  });
  file.words.fill(STATE.offered, LEDGER, LEDGER + offered);
  Atomics.store(file.words, FRONT.reserveTarget, 4);
  plane.poll(new Int32Array(8));
  return rings;
}

test('offers that were taken into the reserve are asked for anew at once', () => {
  assert.equal(ringsWith(6, false), 1);
});

test('a front end that asks late rings nobody while there are enough', () => {
  assert.equal(ringsWith(6, true), 0);
});

test('where there are too few, both ask', () => {
  assert.deepEqual([ringsWith(3, false), ringsWith(3, true)], [1, 1]);
});
