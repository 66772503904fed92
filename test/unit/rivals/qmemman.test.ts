/** The constants are those of Qubes OS; the examples are worked out by hand from its algorithm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type QmemmanGuest, qmemmanBalance, qmemmanTells } from '../../../src/evaluation/rivals/qmemman.ts';
import { KIB, MIB } from '../../../src/units.ts';

const guest = (name: string, held: number, used: number, { most = 512, least = 64 } = {}): QmemmanGuest => ({
  name,
  held: held * MIB,
  used: used * MIB,
  most: most * MIB,
  least: least * MIB,
});
const inMib = (targets: ReturnType<typeof qmemmanBalance>): [string, number][] =>
  targets.map(({ name, target }) => [name, Math.round(target / MIB)]);

test('with enough for all, what is left is shared out in proportion to 1.3 × use; who gives comes first', () => {
  // They prefer 130 and 260 of 600: 210 are left, of which a third and two thirds; times 0.999 against rounding.
  const targets = qmemmanBalance(0, [guest('a', 150, 100), guest('b', 450, 200)]);
  assert.deepEqual(inMib(targets), [
    ['b', 400],
    ['a', 200],
  ]);
});

test('what exceeds the most of one goes to the others', () => {
  const targets = qmemmanBalance(300 * MIB, [
    guest('a', 300, 200, { most: 320 }),
    guest('b', 200, 200),
    guest('c', 200, 200),
  ]);
  assert.deepEqual(Object.fromEntries(inMib(targets)), { a: 320, b: 339, c: 339 });
});

test('with too little, who has more than it prefers gives that up, and the needy get what is free by now', () => {
  // They prefer 130 and 390 of 500.
  const guests = [guest('a', 250, 100), guest('b', 250, 300)];
  assert.deepEqual(inMib(qmemmanBalance(0, guests)), [
    ['a', 130],
    ['b', 250],
  ]);
  assert.deepEqual(inMib(qmemmanBalance(60 * MIB, [guest('a', 190, 100), guest('b', 250, 300)])), [
    ['a', 130],
    ['b', 310],
  ]);
});

test('less than 10 MiB above its preference is not asked for', () => {
  const targets = qmemmanBalance(0, [guest('a', 139, 100), guest('b', 250, 300)]);
  assert.deepEqual(inMib(targets), [['b', 250]]);
});

test('a guest tells of changes beyond 30,000 KiB; of half of that where it rises and 1.3 × use exceeds what it has', () => {
  const tells = (used: number, told: number | undefined, has: number): boolean =>
    qmemmanTells(used * KIB, told === undefined ? undefined : told * KIB, has * KIB);
  assert.equal(tells(100_000, undefined, 500_000), true);
  assert.equal(tells(130_000, 100_000, 500_000), false);
  assert.equal(tells(130_001, 100_000, 500_000), true);
  assert.equal(tells(69_999, 100_000, 500_000), true);
  assert.equal(tells(116_000, 100_000, 150_000), true);
  assert.equal(tells(116_000, 100_000, 151_000), false);
  assert.equal(tells(84_000, 100_000, 80_000), false);
});

test('targets stay within each guest’s bounds, and ask for no more than there is', () => {
  const sizes = fc.integer({ min: 64, max: 512 });
  const guests = fc.array(fc.record({ held: sizes, used: fc.integer({ min: 0, max: 600 }) }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 800 }), guests, (free, rows) => {
      const all = rows.map(({ held, used }, at) => guest(String(at), held, used));
      const targets = qmemmanBalance(free * MIB, all);
      const after = all.reduce(
        (sum, { name, held }) => sum + (targets.find((each) => each.name === name)?.target ?? held),
        0,
      );
      assert.ok(after <= all.reduce((sum, { held }) => sum + held, 0) + free * MIB + 1);
      for (const { name, target } of targets) {
        const { most, least, held } = all[Number(name)]!;
        assert.ok(target <= most && target >= Math.min(least, held) * 0.99, `${target / MIB}`);
      }
    }),
  );
});
