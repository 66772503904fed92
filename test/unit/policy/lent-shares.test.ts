import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Lendable, type LentTo, shareLent } from '../../../src/policy/lent-shares.ts';

const arena = (total: number, owed = 0, stuck = 0): Lendable => ({ total, owed, stuck });
const guest = (granted: number, held: number, ceiling = 1000): LentTo => ({ granted, held, ceiling });

test('what nobody uses is divided equally', () => {
  assert.deepEqual(shareLent(arena(24, 0), [guest(0, 0), guest(0, 0)], 100), [
    { withdraw: 0, grant: 12 },
    { withdraw: 0, grant: 12 },
  ]);
});

test('only so many are granted in one step', () => {
  const steps = shareLent(arena(24, 0), [guest(0, 0), guest(0, 0)], 4);
  assert.equal(
    steps.reduce((sum, { grant }) => sum + grant, 0),
    4,
  );
});

test('a guest that uses its own up gets from one that does not', () => {
  const [busy, idle] = shareLent(arena(24, 0), [guest(12, 12), guest(12, 0)], 4);
  assert.deepEqual(busy, { withdraw: 0, grant: 0 });
  assert.deepEqual(idle, { withdraw: 6, grant: 0 });
  assert.deepEqual(
    shareLent(arena(24, 6), [guest(12, 12), guest(6, 0)], 4)[0],
    { withdraw: 0, grant: 0 },
    'not let go of yet',
  );
  assert.deepEqual(shareLent(arena(24, 0), [guest(12, 12), guest(6, 0)], 4)[0], { withdraw: 0, grant: 4 });
});

test('what is stuck with a guest that is gone is shared by those that are there', () => {
  const [successor, idle] = shareLent(arena(24, 12, 12), [guest(0, 0), guest(12, 4)], 4);
  assert.deepEqual(successor, { withdraw: 0, grant: 0 }, 'there is nothing yet');
  assert.deepEqual(idle, { withdraw: 4, grant: 0 });
  assert.deepEqual(shareLent(arena(24, 12, 12), [guest(0, 0), guest(8, 4)], 4)[0], { withdraw: 0, grant: 4 });
});

test('what is merely on its way is still counted on', () => {
  assert.deepEqual(shareLent(arena(24, 6), [guest(12, 12), guest(6, 0)], 4)[1], { withdraw: 0, grant: 0 });
});

test('a small difference moves nothing, and one guest alone has everything', () => {
  assert.deepEqual(shareLent(arena(24, 0), [guest(12, 2), guest(12, 0)], 4), [
    { withdraw: 0, grant: 0 },
    { withdraw: 0, grant: 0 },
  ]);
  assert.deepEqual(shareLent(arena(24, 0), [guest(20, 3)], 10), [{ withdraw: 0, grant: 4 }]);
});

test('what a guest claims to hold gives it no more than its ceiling', () => {
  assert.deepEqual(shareLent(arena(24, 0), [guest(12, 12, 12)], 8), [{ withdraw: 0, grant: 0 }]);
});

test('nothing in use is withdrawn, and never is more granted than nobody has', () => {
  const guests = fc.array(
    fc.record({ granted: fc.nat(40), share: fc.double({ min: 0, max: 1, noNaN: true }), ceiling: fc.nat(60) }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(guests, fc.nat(50), fc.nat(20), fc.integer({ min: 1, max: 16 }), (drawn, spare, owed, most) => {
      const lent = drawn.map(({ granted, share, ceiling }) => ({
        granted,
        held: Math.floor(Math.min(granted, ceiling) * share),
        ceiling,
      }));
      const granted = lent.reduce((sum, each) => sum + each.granted, 0);
      const total = granted + owed + spare;
      const steps = shareLent(arena(total, owed), lent, most);
      for (const [at, { withdraw }] of steps.entries()) {
        assert.ok(withdraw >= 0 && withdraw <= lent[at]!.granted - lent[at]!.held);
      }
      const grants = steps.reduce((sum, { grant }) => sum + grant, 0);
      assert.ok(grants >= 0 && grants <= Math.min(most, spare));
    }),
  );
});
