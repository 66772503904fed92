import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { arenaLimits, arenaSize, shareOffers } from '../../../src/agent/shares.ts';
import { checkConfig } from '../../../src/config/load.ts';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { MIB, mebibytes } from '../../../src/units.ts';

const CHUNK = 2 * MIB;
const config = (domains: ConfigInput['domains'], arena: ConfigInput['arena'] = {}) => checkConfig({ domains, arena });
const A = { name: 'a', floor_mib: 16, ceiling_mib: 256, budget_mib: 32 };

describe('the size of the arena', () => {
  it('is all that budgets can give up, with memory for what is no budget at the start', () => {
    const size = arenaSize(config([A, { ...A, name: 'b' }]), mebibytes(256));
    assert.deepEqual(size, { arenaBytes: 224 * MIB, populateBytes: 192 * MIB });
  });

  it('has memory for the pool that was asked for, the reserves, and floors above the budget', () => {
    const domains = [
      { ...A, reserve_mib: 10 },
      { ...A, name: 'b', floor_mib: 52 },
    ];
    const { populateBytes } = arenaSize(config(domains, { pool_mib: 24 }), mebibytes(256));
    assert.equal(populateBytes, (24 + 10 + 20) * MIB);
  });

  it('never takes more than budgets leave, whatever pool was asked for', () => {
    const { populateBytes } = arenaSize(config([A], { pool_mib: 1024 }), mebibytes(128));
    assert.equal(populateBytes, 96 * MIB);
  });
});

describe('floor and ceiling in the arena', () => {
  it('are what the budget leaves of them', () => {
    const limits = arenaLimits({ floor_mib: 48, ceiling_mib: 128 }, 32 * MIB, CHUNK);
    assert.deepEqual(limits, { floorChunks: 8, ceilingChunks: 48 });
  });

  it('follow the budget as it moves, and are never below nothing', () => {
    const of = { floor_mib: 48, ceiling_mib: 128 };
    assert.deepEqual(arenaLimits(of, 40 * MIB, CHUNK), { floorChunks: 4, ceilingChunks: 44 });
    assert.deepEqual(arenaLimits(of, 200 * MIB, CHUNK), { floorChunks: 0, ceilingChunks: 0 });
  });

  it('are rounded so that floor is never undercut, nor ceiling exceeded', () => {
    const limits = arenaLimits({ floor_mib: 35, ceiling_mib: 35 }, 32 * MIB, CHUNK);
    assert.deepEqual(limits, { floorChunks: 2, ceilingChunks: 1 });
  });
});

describe('the division of the pool into offers', () => {
  it('leaves a quarter with nobody and divides the rest by weight', () => {
    const idle = { heldChunks: 0, floorChunks: 0 };
    assert.deepEqual(
      shareOffers(40, [
        { ...idle, weight: 1 },
        { ...idle, weight: 2 },
      ]),
      [10, 20],
    );
  });

  it('first makes up what a domain lacks to its floor', () => {
    const claimants = [
      { heldChunks: 2, floorChunks: 10, weight: 1 },
      { heldChunks: 12, floorChunks: 10, weight: 1 },
    ];
    assert.deepEqual(shareOffers(16, claimants), [8 + 3, 3]);
  });

  it('offers nothing to whom no offer is to be made', () => {
    assert.deepEqual(shareOffers(16, [{ heldChunks: 0, floorChunks: 0, weight: 0 }]), [0]);
  });

  it('never offers more than the pool beyond what floors are owed', () => {
    const claimant = fc.record({ heldChunks: fc.nat(50), floorChunks: fc.nat(50), weight: fc.nat(9) });
    fc.assert(
      fc.property(fc.nat(200), fc.array(claimant, { maxLength: 8 }), (pool, claimants) => {
        const owed = claimants.map(({ heldChunks, floorChunks }) => Math.max(0, floorChunks - heldChunks));
        const sum = (counts: readonly number[]) => counts.reduce((all, each) => all + each, 0);
        const offers = shareOffers(pool, claimants);
        assert.ok(sum(offers) <= Math.max(pool, sum(owed)));
        for (const [at, offer] of offers.entries()) assert.ok(offer >= owed[at]!);
      }),
    );
  });
});
