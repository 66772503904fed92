import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Debounce } from '../../../src/board/debounce.ts';
import { micros, millis } from '../../../src/units.ts';

/** The instants in milliseconds that count as presses. */
function presses(edges: ReadonlyArray<readonly [atMillis: number, level: 0 | 1]>): number[] {
  const debounce = new Debounce(millis(50));
  return edges.filter(([at, level]) => debounce.isPress(micros(at * 1000), level)).map(([at]) => at);
}

test('a press counts at its first edge, its bounces do not', () => {
  assert.deepEqual(
    presses([
      [100, 1],
      [101, 0],
      [103, 1],
    ]),
    [100],
  );
});

test('letting go, with its bounces, is no press', () => {
  assert.deepEqual(
    presses([
      [100, 1],
      [900, 0],
      [902, 1],
      [903, 0],
    ]),
    [100],
  );
});

test('every clean press counts', () => {
  assert.deepEqual(
    presses([
      [100, 1],
      [200, 0],
      [300, 1],
      [400, 0],
    ]),
    [100, 300],
  );
});

test('however a switch bounces, each press is counted exactly once', () => {
  const bounces = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 });
  const movement = fc.tuple(fc.integer({ min: 60, max: 5000 }), bounces);
  fc.assert(
    fc.property(fc.array(movement, { maxLength: 20 }), (movements) => {
      const edges: [number, 0 | 1][] = [];
      const expected: number[] = [];
      let now = 0;
      movements.forEach(([rest, gaps], index) => {
        const level = index % 2 === 0 ? 1 : 0;
        now += rest;
        if (level === 1) expected.push(now);
        edges.push([now, level]);
        for (const gap of gaps) {
          now += gap;
          edges.push([now, level === 1 ? 0 : 1]);
          now += gap;
          edges.push([now, level]);
        }
      });
      assert.deepEqual(presses(edges), expected);
    }),
  );
});
