import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { readDataLimit, setSoftDataLimit } from '../../../src/native/rlimit.ts';
import { RlimitBudget } from '../../../src/platforms/budget/rlimit-budget.ts';
import { MIB, mebibytes } from '../../../src/units.ts';
import { Holder } from '../../contract/budget-programs.ts';

function budgetOf(t: TestContext, mebibytesOfLimit: number): RlimitBudget {
  const budget = new RlimitBudget({
    name: 'a',
    limit: mebibytes(mebibytesOfLimit),
    floor: mebibytes(16),
    ceiling: mebibytes(2048),
  });
  t.after(() => budget.close());
  return budget;
}

async function start(t: TestContext, budget: RlimitBudget): Promise<Holder> {
  const holder = await Holder.start(budget);
  t.after(() => holder.end());
  return holder;
}

function softLimit(pid: number): number {
  const limit = readDataLimit(pid);
  assert.ok(limit.ok);
  return limit.soft;
}

/** The lowest data limit that another thread sees a process have while something is done. */
async function lowestLimitWhile(pid: number, action: () => void): Promise<number> {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const watcher = new Worker(new URL('./limit-watcher.js', import.meta.url), { workerData: { pid, word } });
  const answer = once(watcher, 'message');
  Atomics.wait(word, 0, 0);
  try {
    action();
  } finally {
    Atomics.store(word, 0, 2);
  }
  const [lowest] = await answer;
  return lowest;
}

describe('prlimit(2) on the data size', () => {
  it('sets the soft limit of another process and leaves the hard one', async (t) => {
    const child = spawn('sleep', ['60']);
    t.after(() => child.kill());
    const before = readDataLimit(child.pid!);
    assert.ok(before.ok);
    assert.deepEqual(setSoftDataLimit(child.pid!, 64 * MIB), { ok: true, soft: 64 * MIB, hard: before.hard });
    assert.deepEqual(readDataLimit(child.pid!), { ok: true, soft: 64 * MIB, hard: before.hard });
    const lifted = setSoftDataLimit(child.pid!, Number.POSITIVE_INFINITY);
    assert.ok(lifted.ok);
    assert.equal(lifted.soft, lifted.hard);
  });

  it('tells a process that is gone', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    assert.deepEqual(readDataLimit(child.pid!), { ok: false, why: 'gone', errno: 'ESRCH' });
    assert.deepEqual(setSoftDataLimit(child.pid!, MIB), { ok: false, why: 'gone', errno: 'ESRCH' });
  });

  const root = process.getuid?.() === 0;
  it("tells that another user's process may not be touched", { skip: root && 'root may touch every process' }, () => {
    assert.deepEqual(setSoftDataLimit(1, MIB), { ok: false, why: 'denied', errno: 'EPERM' });
  });
});

describe('a budget by RLIMIT_DATA', () => {
  it('keeps the limits of all programs and their children within the budget at each step', async (t) => {
    const budget = budgetOf(t, 640);
    const programs = [await start(t, budget), await start(t, budget), await start(t, budget)];
    const children: number[] = [];
    for (const [round, program] of programs.entries()) {
      await program.holds(16 * (round + 1));
      const child = /^forked (\d+)/.exec((await program.ask('fork 8')) ?? '')?.[1];
      if (child !== undefined) children.push(Number(child));
      budget.rebalance();
      const limits = [...programs.map(({ pid }) => pid), ...children].map(softLimit);
      const sum = limits.reduce((total, limit) => total + limit, 0);
      assert.ok(sum <= 640 * MIB, `${limits.map((limit) => limit / MIB)}`);
      assert.equal(budget.state().processes, limits.length);
    }
    assert.ok(children.length > 0);
  });

  it('leaves the limit of a program alone in a shrink that it refuses', async (t) => {
    const budget = budgetOf(t, 384);
    const program = await start(t, budget);
    assert.equal(await program.holds(128), true);
    const before = softLimit(program.pid);
    const lowest = await lowestLimitWhile(program.pid, () => {
      for (let asked = 0; asked < 500; asked++) assert.equal(budget.shrink(mebibytes(300)).ok, false);
    });
    assert.equal(lowest, before, 'lowered for a moment, and a program that maps memory in it dies');
  });

  it('gives the same program more as soon as it grows', async (t) => {
    const budget = budgetOf(t, 160);
    const program = await start(t, budget);
    assert.equal(await program.holds(128), false);
    budget.grow(mebibytes(128));
    assert.equal(await program.holds(128), true);
  });

  it('gives the rest of a program that ended to the others', async (t) => {
    const budget = budgetOf(t, 512);
    const [stays, ends] = [await start(t, budget), await Holder.start(budget)];
    await stays.holds(1);
    await ends.holds(1);
    budget.rebalance();
    const shared = softLimit(stays.pid);
    await ends.end();
    budget.rebalance();
    assert.ok(shared < 512 * MIB);
    assert.ok(softLimit(stays.pid) > 512 * MIB - 64 * 1024, 'all of it but what rounding leaves');
  });

  it('brings back a program that raised its own limit', async (t) => {
    const budget = budgetOf(t, 256);
    const program = await start(t, budget);
    await program.holds(1);
    setSoftDataLimit(program.pid, Number.POSITIVE_INFINITY); // what a program may do to itself
    budget.rebalance();
    assert.ok(softLimit(program.pid) <= 256 * MIB);
  });

  it('counts what is resident apart from what is mapped', async (t) => {
    const budget = budgetOf(t, 512);
    await (await start(t, budget)).holds(32);
    const { used, residentBytes } = budget.state();
    assert.ok(residentBytes >= 32 * MIB);
    assert.ok(used > residentBytes, 'Node maps more than it touches');
  });

  it('gives a program its own limit back when it is taken out', async (t) => {
    const budget = budgetOf(t, 256);
    const child = spawn('sleep', ['60']);
    t.after(() => child.kill());
    setSoftDataLimit(child.pid!, 77 * MIB);
    assert.deepEqual(budget.addProgram(child.pid!), { ok: true });
    assert.ok(softLimit(child.pid!) > 77 * MIB);
    budget.removeProgram(child.pid!);
    assert.equal(softLimit(child.pid!), 77 * MIB);
  });

  it('is empty and movable with no program in it', (t) => {
    const budget = budgetOf(t, 256);
    assert.deepEqual(budget.state(), { limit: mebibytes(256), used: 0, residentBytes: 0, processes: 0 });
    assert.deepEqual(budget.shrink(mebibytes(240)), { ok: true, limit: mebibytes(16) });
  });
});
