import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { planMoves } from '../../../src/policy/plan.ts';
import type { PlanSnapshot } from '../../../src/policy/snapshot.ts';
import { runTick } from './machine.ts';
import { domain, snapshot } from './scenario.ts';

describe('one tick of the slow plane', () => {
  it('moves nothing where everybody holds what it wants', () => {
    assert.deepEqual(planMoves(snapshot([domain('a'), domain('b')], 50)), []);
  });

  it('serves a pressured domain from the pool and disturbs nobody', () => {
    const plan = planMoves(snapshot([domain('a', { pressured: true, wanted: 130 }), domain('b')], 50));
    assert.deepEqual(plan, [{ kind: 'grow', domain: 'a', by: 30 }]);
  });

  it('takes a surplus before it takes a reserve', () => {
    const plan = planMoves(
      snapshot([domain('burst', { pressured: true, wanted: 120 }), domain('rich', { wanted: 80 }), domain('idle')], 0),
    );
    assert.deepEqual(plan, [
      { kind: 'shrink', domain: 'rich', by: 20 },
      { kind: 'grow', domain: 'burst', by: 20 },
    ]);
  });

  it('takes a reserve of a domain at ease where a burst needs more than all surplus', () => {
    const plan = planMoves(
      snapshot([domain('burst', { pressured: true, wanted: 140 }), domain('rich', { wanted: 90 }), domain('idle')], 0),
    );
    assert.deepEqual(plan, [
      { kind: 'shrink', domain: 'rich', by: 10 },
      { kind: 'shrink', domain: 'idle', by: 30 },
      { kind: 'grow', domain: 'burst', by: 40 },
    ]);
  });

  it('does not take a reserve to fill another reserve', () => {
    assert.deepEqual(planMoves(snapshot([domain('wishes', { wanted: 140 }), domain('idle')], 0)), []);
  });

  it('asks nobody who is under pressure itself', () => {
    const both = { pressured: true, wanted: 140 };
    assert.deepEqual(planMoves(snapshot([domain('a', both), domain('b', both)], 0)), []);
  });

  it('leaves the pool at its target for wishes, and lets a burst drain it', () => {
    const wish = snapshot([domain('a', { wanted: 150 })], 40, { poolTarget: 30 });
    assert.deepEqual(planMoves(wish), [{ kind: 'grow', domain: 'a', by: 10 }]);
    const burst = snapshot([domain('a', { wanted: 150, pressured: true })], 40, { poolTarget: 30 });
    assert.deepEqual(planMoves(burst), [{ kind: 'grow', domain: 'a', by: 40 }]);
  });

  it('refills the pool from what domains hold beyond their want', () => {
    const plan = planMoves(snapshot([domain('rich', { wanted: 70 }), domain('b')], 0, { poolTarget: 25 }));
    assert.deepEqual(plan, [{ kind: 'shrink', domain: 'rich', by: 25 }]);
  });

  it('gives small bursts their whole need and splits the rest evenly', () => {
    const burst = (name: string, wanted: number) => domain(name, { pressured: true, wanted });
    const plan = planMoves(snapshot([burst('big', 200), burst('small', 110), burst('large', 190)], 70));
    assert.deepEqual(plan, [
      { kind: 'grow', domain: 'big', by: 30 },
      { kind: 'grow', domain: 'small', by: 10 },
      { kind: 'grow', domain: 'large', by: 30 },
    ]);
  });

  it('restores a floor before it serves a burst, past the step cap and the bucket', () => {
    const below = domain('below', { limit: 20, used: 10, floor: 60, tokens: 0 });
    const burst = domain('burst', { pressured: true, wanted: 150 });
    assert.deepEqual(planMoves(snapshot([burst, below], 45, { largestStep: 10 })), [
      { kind: 'grow', domain: 'below', by: 40 },
      { kind: 'grow', domain: 'burst', by: 5 },
    ]);
  });

  it('leaves a stuck donor alone and cuts its entitlement to what it holds', () => {
    const plan = planMoves(
      snapshot([domain('burst', { pressured: true, wanted: 130 }), domain('dead', { stuck: true, wanted: 50 })], 0),
    );
    assert.deepEqual(plan, [{ kind: 'cut-entitlement', domain: 'dead', ceiling: 100 }]);
  });

  it('gives out no byte twice where the counted pool and the sum of limits disagree', () => {
    const stale = { ...snapshot([domain('a', { pressured: true, wanted: 150 })], 10), pool: 40 };
    assert.deepEqual(planMoves(stale), [{ kind: 'grow', domain: 'a', by: 10 }]);
  });

  it('pays back what was promised beyond the total before anybody grows', () => {
    const over = { ...snapshot([domain('a', { pressured: true, wanted: 150 }), domain('b')], 0), total: 180 };
    assert.deepEqual(planMoves(over), [
      { kind: 'shrink', domain: 'b', by: 35 },
      { kind: 'grow', domain: 'a', by: 15 },
    ]);
  });
});

describe('carrying a plan out', () => {
  const burstAndDonor = snapshot([domain('burst', { pressured: true, wanted: 132 }), domain('donor')], 0);

  it('a donor that returns all leaves the recipient with all', () => {
    assert.deepEqual(runTick(burstAndDonor).limits, { burst: 132, donor: 68 });
  });

  it('a donor that returns half leaves the recipient with half', () => {
    const run = runTick(burstAndDonor, { donor: 0.5 });
    assert.deepEqual(run.limits, { burst: 116, donor: 84 });
    assert.equal(run.pool, 0);
  });

  it('a donor that returns nothing leaves the recipient as it was', () => {
    assert.deepEqual(runTick(burstAndDonor, { donor: 0 }).limits, { burst: 100, donor: 100 });
  });

  it('a donor that returns half costs nobody else: the pool still serves its part', () => {
    const withPool = snapshot([domain('burst', { pressured: true, wanted: 132 }), domain('donor')], 12);
    assert.deepEqual(runTick(withPool, { donor: 0.5 }).limits, { burst: 122, donor: 90 });
  });

  it('reports what each action achieved, so that a missed return can be judged', () => {
    assert.deepEqual(runTick(burstAndDonor, { donor: 0.25 }).outcomes, [
      { action: { kind: 'shrink', domain: 'donor', by: 32 }, moved: 8 },
      { action: { kind: 'grow', domain: 'burst', by: 32 }, moved: 8 },
    ]);
  });
});

describe('plans, for all snapshots', () => {
  const views = fc
    .record({
      limit: fc.nat(200),
      use: fc.nat(100),
      wanted: fc.nat(400),
      floor: fc.nat(150),
      room: fc.nat(300),
      pressured: fc.boolean(),
      stuck: fc.boolean(),
      tokens: fc.double({ min: 0, max: 400, noNaN: true }),
    })
    .map(({ limit, use, floor, room, ...rest }) => ({
      ...rest,
      limit,
      used: Math.floor((limit * use) / 100),
      floor,
      ceiling: Math.max(floor, limit) + room,
    }));
  const snapshots: fc.Arbitrary<PlanSnapshot> = fc
    .tuple(
      fc.array(views, { minLength: 1, maxLength: 8 }),
      fc.nat(300),
      fc.record({
        largestStep: fc.integer({ min: 10, max: 300 }),
        smallestStep: fc.integer({ min: 1, max: 10 }),
        useMargin: fc.nat(20),
        poolTarget: fc.nat(200),
      }),
    )
    .map(([domains, pool, rules]) =>
      snapshot(
        domains.map((view, index) => ({ ...view, name: `d${index}` })),
        pool,
        rules,
      ),
    );
  const returns = fc.dictionary(fc.constantFrom('d0', 'd1', 'd2', 'd3'), fc.double({ min: 0, max: 1, noNaN: true }));

  it('break no invariant after any action, whatever donors return', () => {
    fc.assert(
      fc.property(snapshots, returns, (before, back) => {
        const run = runTick(before, back);
        assert.deepEqual(run.violations, []);
        assert.ok(run.pool >= 0);
      }),
    );
  });

  it('take no domain below its floor, and none further below', () => {
    fc.assert(
      fc.property(snapshots, returns, (before, back) => {
        const { limits } = runTick(before, back);
        for (const view of before.domains) assert.ok(limits[view.name]! >= Math.min(view.limit, view.floor));
      }),
    );
  });

  it('come to rest: with needs that do not change, ticks end in a tick without moves', () => {
    fc.assert(
      fc.property(snapshots, (start) => {
        let now = start;
        for (let tick = 0; tick < 200; tick++) {
          const { limits, pool, outcomes } = runTick(now);
          if (!outcomes.some(({ moved }) => moved > 0)) return;
          now = { ...now, pool, domains: now.domains.map((view) => ({ ...view, limit: limits[view.name]! })) };
        }
        assert.fail('still moving after 200 ticks');
      }),
    );
  });
});
