import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fairWants } from '../../../src/policy/fair-wants.ts';

test('where there is enough, each is to hold what it wants', () => {
  const domains = [
    { used: 100, wanted: 150 },
    { used: 200, wanted: 220 },
  ];
  assert.deepEqual(fairWants(370, domains), [150, 220]);
});

test('where there is not, each gets its use and the same share of its reserve', () => {
  const domains = [
    { used: 100, wanted: 200 },
    { used: 200, wanted: 250 },
  ];
  assert.deepEqual(fairWants(375, domains), [150, 225]);
});

test('where use alone is more than there is, nobody is to have a reserve', () => {
  const domains = [
    { used: 100, wanted: 200 },
    { used: 200, wanted: 150 },
  ];
  assert.deepEqual(fairWants(250, domains), [100, 200]);
});

test('never less than use, never more than is wanted, and no more together than there is', () => {
  const size = fc.integer({ min: 0, max: 2 ** 40 });
  const domains = fc.array(fc.record({ used: size, wanted: size }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 43 }), domains, (total, all) => {
      const shares = fairWants(total, all);
      const used = all.reduce((sum, each) => sum + each.used, 0);
      assert.ok(shares.reduce((sum, each) => sum + each, 0) <= Math.max(total, used) + all.length);
      for (const [at, { used: own, wanted }] of all.entries()) {
        assert.ok(shares[at]! >= own && shares[at]! <= Math.max(own, wanted));
      }
    }),
  );
});
