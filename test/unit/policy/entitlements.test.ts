/** How far domains may grow with nobody's consent: never further than what is free reaches for all at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Entitled, entitlements } from '../../../src/policy/entitlements.ts';

const domain = (held: number, wanted: number, ceiling = 256, stuck = false): Entitled => ({
  held,
  wanted,
  ceiling,
  stuck,
});

test('what is wanted goes before what nobody has asked for; the rest is for all alike', () => {
  assert.deepEqual(entitlements(60, [domain(100, 140), domain(100, 0)]), [150, 110]);
  assert.deepEqual(entitlements(60, [domain(100, 0), domain(100, 0)]), [130, 130]);
});

test('too little for all wants: small ones are met whole, large ones share evenly', () => {
  assert.deepEqual(entitlements(50, [domain(100, 110), domain(100, 200), domain(100, 200)]), [110, 120, 120]);
});

test('no further than the ceiling, and nothing for one that owes memory', () => {
  assert.deepEqual(entitlements(100, [domain(100, 0, 110), domain(100, 200, 256, true)]), [110, 100]);
});

test('with nothing free, or less than nothing, each may hold what it holds', () => {
  assert.deepEqual(entitlements(0, [domain(100, 200)]), [100]);
  assert.deepEqual(entitlements(-40, [domain(100, 200), domain(300, 0)]), [100, 300]);
});

test('whatever is asked: no more is promised than is free, nobody is above its ceiling, and nothing free is withheld', () => {
  const any = fc.record({
    held: fc.nat(400),
    wanted: fc.nat(600),
    ceiling: fc.nat(500),
    stuck: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: -100, max: 1000 }),
      fc.array(any, { minLength: 1, maxLength: 6 }),
      (free, domains) => {
        const given = entitlements(free, domains);
        const room = given.map((each, at) => each - domains[at]!.held);
        for (const [at, { held, ceiling, stuck }] of domains.entries()) {
          assert.ok(room[at]! >= 0 && given[at]! <= Math.max(held, ceiling));
          if (stuck) assert.equal(room[at], 0);
        }
        const promised = room.reduce((all, each) => all + each, 0);
        assert.ok(promised <= Math.max(0, free));
        const most = domains.reduce(
          (all, { held, ceiling, stuck }) => all + (stuck ? 0 : Math.max(0, ceiling - held)),
          0,
        );
        // Shares are whole: less than one byte a domain may be left.
        assert.ok(promised >= Math.min(Math.max(0, free), most) - domains.length);
      },
    ),
  );
});
