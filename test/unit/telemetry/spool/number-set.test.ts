import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NumberSet } from '../../../../src/telemetry/spool/number-set.ts';

test('a set of intervals is a set', () => {
  const number = fc.integer({ min: 0, max: 40 });
  const step = fc.record({ how: fc.constantFrom('add' as const, 'remove' as const), from: number, length: number });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), number, number, (steps, a, b) => {
      const set = new NumberSet();
      const model = new Set<number>();
      for (const { how, from, length } of steps) {
        const to = from + length - 1;
        set[how](from, to);
        for (let n = from; n <= to; n++) model[how === 'add' ? 'add' : 'delete'](n);
      }
      assert.equal(set.has(a), model.has(a));
      assert.equal(set.count(a, b), [...model].filter((n) => n >= a && n <= b).length);
      let missing = a;
      while (model.has(missing)) missing++;
      assert.equal(set.firstMissing(a), missing);
      for (const [i, [from, to]] of set.intervals.entries()) {
        assert.ok(from <= to);
        const next = set.intervals[i + 1];
        assert.ok(!next || next[0] > to + 1, 'intervals neither meet nor overlap');
      }
      assert.equal(
        set.intervals.reduce((sum, [from, to]) => sum + to - from + 1, 0),
        model.size,
      );
    }),
  );
});
