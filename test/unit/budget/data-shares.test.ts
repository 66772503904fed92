import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { splitBudget } from '../../../src/platforms/budget/data-shares.ts';
import { MIB } from '../../../src/units.ts';

function split(budget: number, mapped: readonly number[], growth = mapped.map(() => 0)): number[] {
  const limits = new Float64Array(mapped.length);
  splitBudget(budget, mapped.length, Float64Array.from(mapped), Float64Array.from(growth), limits);
  return [...limits];
}

describe('splitting a budget over programs', () => {
  it('gives a single program all of it', () => {
    assert.deepEqual(split(100 * MIB, [30 * MIB]), [100 * MIB]);
  });

  it('splits the free rest evenly while nobody grows', () => {
    assert.deepEqual(split(100 * MIB, [20 * MIB, 40 * MIB]), [40 * MIB, 60 * MIB]);
  });

  it('gives three quarters of the rest to the one that grows', () => {
    assert.deepEqual(split(100 * MIB, [20 * MIB, 40 * MIB], [0, 5]), [30 * MIB, 70 * MIB]);
  });

  it('holds programs to what they have where the budget is used up', () => {
    assert.deepEqual(split(50 * MIB, [20 * MIB, 40 * MIB]), [20 * MIB, 40 * MIB]);
  });

  it('never adds up to more than the budget, and never to less than what is mapped', () => {
    const programs = fc.array(fc.tuple(fc.nat(1 << 20), fc.double({ min: 0, max: 1e12, noNaN: true })), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(fc.nat(1 << 24), programs, (budgetKib, rows) => {
        const mapped = rows.map(([kib]) => kib * 1024);
        const budget = budgetKib * 1024;
        const limits = split(
          budget,
          mapped,
          rows.map(([, growth]) => growth),
        );
        const held = mapped.reduce((a, b) => a + b, 0);
        assert.ok(limits.reduce((a, b) => a + b, 0) <= Math.max(budget, held));
        for (const [index, limit] of limits.entries()) assert.ok(limit >= mapped[index]!);
      }),
    );
  });
});
