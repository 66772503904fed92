/**
 * What every implementation of a domain's budget must do, run on the real thing with real programs: once with RLIMIT_DATA
 * (everywhere), once with a cgroup where this machine lets one be made.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { agentProcess, runs } from '../../src/platforms/budget/agent-process.ts';
import { CgroupBudget } from '../../src/platforms/budget/cgroup-budget.ts';
import { cgroupFiles } from '../../src/platforms/budget/cgroup-files.ts';
import { findCgroupPlace } from '../../src/platforms/budget/cgroup-place.ts';
import type { BudgetOptions, ProcessBudget } from '../../src/platforms/budget/contracts.ts';
import { RlimitBudget } from '../../src/platforms/budget/rlimit-budget.ts';
import { type Bytes, MIB, mebibytes, toMebibytes } from '../../src/units.ts';
import { Holder } from './budget-programs.ts';

interface Implementation {
  readonly name: string;
  readonly open: (options: BudgetOptions) => ProcessBudget;
  readonly skip: string | false;
}

const place = findCgroupPlace(cgroupFiles, '/proc', process.pid);
const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: 'RLIMIT_DATA', open: (options) => new RlimitBudget(options), skip: false },
  {
    name: place.ok ? `cgroup v${place.version}` : 'cgroup',
    open: (options) => {
      assert.ok(place.ok);
      return CgroupBudget.open(options, place, cgroupFiles, agentProcess('/proc', process.pid)!, (agent) =>
        runs('/proc', agent),
      );
    },
    skip: place.ok ? false : `no cgroup can be made here: ${place.reason}`,
  },
];

let opened = 0;

for (const { name, open, skip } of IMPLEMENTATIONS) {
  const budgetOf = (t: TestContext, limit: Bytes, floor = mebibytes(64), ceiling = mebibytes(1024)): ProcessBudget => {
    const budget = open({ name: `contract-${++opened}`, limit, floor, ceiling });
    t.after(() => budget.close());
    return budget;
  };
  const start = async (t: TestContext, budget: ProcessBudget): Promise<Holder> => {
    const holder = await Holder.start(budget);
    t.after(() => holder.end());
    return holder;
  };

  describe(`a reservation enforced by ${name}`, { skip }, () => {
    it('lets a program have what fits, and refuses what does not', async (t) => {
      const budget = budgetOf(t, mebibytes(192));
      const program = await start(t, budget);
      assert.equal(await program.holds(32), true);
      assert.equal(await program.holds(256), false);
    });

    it('lets a program have more after a grow', async (t) => {
      const budget = budgetOf(t, mebibytes(192));
      const before = await start(t, budget);
      assert.equal(await before.holds(256), false);
      await before.end();
      assert.deepEqual(budget.grow(mebibytes(384)), { ok: true, limit: mebibytes(576) });
      assert.equal(await (await start(t, budget)).holds(256), true);
    });

    it('holds a program to less after a shrink', async (t) => {
      const budget = budgetOf(t, mebibytes(576));
      assert.deepEqual(budget.shrink(mebibytes(384)), { ok: true, limit: mebibytes(192) });
      assert.equal(await (await start(t, budget)).holds(256), false);
    });

    it('refuses to shrink below what is in use, and no program notices', async (t) => {
      const budget = budgetOf(t, mebibytes(384));
      const program = await start(t, budget);
      assert.equal(await program.holds(128), true);
      const refused = budget.shrink(mebibytes(300));
      assert.ok(!refused.ok);
      assert.equal(refused.refusal, 'floor');
      assert.equal(refused.limit, mebibytes(384));
      assert.equal(budget.state().limit, mebibytes(384));
      assert.equal(await program.holds(16), true, 'the program goes on as before');
    });

    it('gives back what a program has let go of', async (t) => {
      const budget = budgetOf(t, mebibytes(384));
      const program = await start(t, budget);
      assert.equal(await program.holds(200), true);
      assert.equal(budget.shrink(mebibytes(200)).ok, false);
      assert.equal(await program.ask('drop'), 'dropped');
      assert.deepEqual(budget.shrink(mebibytes(200)), { ok: true, limit: mebibytes(184) });
    });

    it('refuses to grow above the ceiling and to shrink below the floor, whole', (t) => {
      const budget = budgetOf(t, mebibytes(128), mebibytes(100), mebibytes(150));
      const above = budget.grow(mebibytes(23));
      assert.ok(!above.ok);
      assert.deepEqual([above.refusal, above.limit], ['ceiling', mebibytes(128)]);
      const below = budget.shrink(mebibytes(29));
      assert.ok(!below.ok);
      assert.deepEqual([below.refusal, below.limit], ['floor', mebibytes(128)]);
      assert.equal(budget.state().limit, mebibytes(128));
      assert.deepEqual(budget.grow(mebibytes(22)), { ok: true, limit: mebibytes(150) });
      assert.deepEqual(budget.shrink(mebibytes(50)), { ok: true, limit: mebibytes(100) });
    });

    it('counts what its programs hold, and their children', async (t) => {
      const budget = budgetOf(t, mebibytes(768));
      const program = await start(t, budget);
      assert.equal(await program.holds(64), true);
      const alone = budget.state();
      assert.ok(alone.used >= mebibytes(64), `${toMebibytes(alone.used)} MiB`);
      assert.ok(alone.residentBytes >= mebibytes(64));
      assert.equal(alone.processes, 1);

      assert.match((await program.ask('fork 64'))!, /^forked \d+ held$/);
      const both = budget.state();
      assert.equal(both.processes, 2);
      assert.ok(both.used >= alone.used + mebibytes(64), `${toMebibytes(both.used - alone.used)} MiB more`);
    });

    it('keeps a domain within its limit whatever its programs ask for', async (t) => {
      const budget = budgetOf(t, mebibytes(320));
      const programs = [await start(t, budget), await start(t, budget)];
      for (let round = 0; round < 8; round++) {
        for (const program of programs) await program.holds(24);
        budget.rebalance();
        const { used, limit } = budget.state();
        assert.ok(used <= limit, `${used / MIB} of ${limit / MIB} MiB`);
      }
    });

    it('moves memory between two domains without ever promising more than there is', (t) => {
      const total = mebibytes(512);
      const domains = [budgetOf(t, mebibytes(256)), budgetOf(t, mebibytes(192))];
      const held = () => domains.reduce((sum, domain) => sum + domain.state().limit, 0);
      for (const [from, to] of [
        [0, 1],
        [1, 0],
        [0, 1],
        [0, 1],
        [0, 1],
      ] as const) {
        const freed = domains[from]!.state().limit;
        const given = domains[from]!.shrink(mebibytes(48));
        assert.ok(held() <= total);
        domains[to]!.grow((freed - given.limit) as Bytes);
        assert.ok(held() <= total);
        for (const domain of domains) assert.ok(domain.state().limit >= domain.limits.floor);
      }
      assert.equal(held(), mebibytes(448), 'what left one domain came to the other');
    });

    it('forgets a program that has ended', async (t) => {
      const budget = budgetOf(t, mebibytes(256));
      const program = await Holder.start(budget);
      assert.equal(await program.holds(32), true);
      assert.equal(await program.end(), 0);
      assert.equal(budget.state().processes, 0);
      assert.equal(budget.addProgram(program.pid).ok, false);
    });

    it('lifts the limit of a program that is taken out', async (t) => {
      const budget = budgetOf(t, mebibytes(192));
      const program = await start(t, budget);
      assert.equal(await program.holds(16), true);
      budget.removeProgram(program.pid);
      assert.equal(budget.state().processes, 0);
      assert.equal(await program.holds(256), true);
    });

    it('lifts the limits of running programs when it closes', async (t) => {
      const budget = open({
        name: `contract-${++opened}`,
        limit: mebibytes(192),
        floor: mebibytes(64),
        ceiling: mebibytes(192),
      });
      const program = await start(t, budget);
      assert.equal(await program.holds(16), true);
      budget.close();
      assert.equal(await program.holds(256), true);
    });
  });
}
