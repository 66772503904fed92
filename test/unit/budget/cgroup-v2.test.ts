import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemtideError } from '../../../src/errors.ts';
import type { AgentProcess } from '../../../src/platforms/budget/agent-process.ts';
import { CgroupBudget } from '../../../src/platforms/budget/cgroup-budget.ts';
import { AGENT_LEAF, findCgroupPlace } from '../../../src/platforms/budget/cgroup-place.ts';
import { highBelow } from '../../../src/platforms/budget/cgroup-version.ts';
import { mebibytes } from '../../../src/units.ts';
import { CgroupV2Kernel, MOUNT, SCOPE } from './cgroup-v2-kernel.ts';

const AGENT = 100;
const MIB = mebibytes(1);

const THIS = { pid: AGENT, startTicks: 5000 };
const runs = (agent: AgentProcess): boolean => agent.pid === AGENT && agent.startTicks === THIS.startTicks;

function open(kernel = new CgroupV2Kernel(AGENT), name = 'a'): { kernel: CgroupV2Kernel; budget: CgroupBudget } {
  const place = findCgroupPlace(kernel, '/proc', AGENT);
  assert.ok(place.ok, place.ok ? '' : place.reason);
  const options = { name, limit: mebibytes(256), floor: mebibytes(64), ceiling: mebibytes(512) };
  return { kernel, budget: CgroupBudget.open(options, place, kernel, THIS, runs) };
}

/** A domain whose program uses `anonymous` MiB and has read files of `cache` MiB. */
function using(anonymous: number, cache = 0) {
  const { kernel, budget } = open();
  const cgroup = kernel.at(budget.directory);
  kernel.at(`${SCOPE}/${AGENT_LEAF}`).processes.add('200');
  assert.deepEqual(budget.addProgram(200), { ok: true });
  cgroup.anonymous = anonymous * MIB;
  cgroup.idleCache = cache * MIB;
  return { kernel, budget, cgroup };
}

describe('a cgroup v2 budget', () => {
  it('lives below the agent, which moves into a leaf so that the controller can be handed down', () => {
    const { kernel, budget } = open();
    assert.equal(budget.directory, `${SCOPE}/memtide-a-${AGENT}-5000`);
    assert.equal(kernel.homeOf(String(AGENT)), `${SCOPE}/${AGENT_LEAF}`);
    assert.equal(budget.state().limit, mebibytes(256));
  });

  it('slows programs a little below the limit, before the kernel must kill', () => {
    const { kernel, budget } = open();
    assert.equal(kernel.at(budget.directory).high, highBelow(256 * MIB));
    assert.equal(highBelow(256 * MIB), 248 * MIB);
  });

  it('counts idle cache as resident and not as used', () => {
    const { budget } = using(100, 60);
    const { used, residentBytes, processes } = budget.state();
    assert.deepEqual([used, residentBytes, processes], [100 * MIB, 160 * MIB, 1]);
  });

  it('shrinks into idle cache: the kernel drops it and kills nobody', () => {
    const { kernel, budget, cgroup } = using(60, 180);
    assert.deepEqual(budget.shrink(mebibytes(156)), { ok: true, limit: mebibytes(100) });
    assert.equal(kernel.kills, 0);
    assert.equal(cgroup.high, highBelow(100 * MIB));
  });

  it('refuses a shrink below the use', () => {
    const { kernel, budget } = using(150);
    const refused = budget.shrink(mebibytes(110));
    assert.ok(!refused.ok);
    assert.equal(refused.refusal, 'floor');
    assert.match(refused.reason, /150 MiB are in use/);
    assert.equal(kernel.kills, 0);
  });

  it('gives up a shrink, and kills nobody, when a program grows in the middle of it', () => {
    const { kernel, budget, cgroup } = using(100);
    kernel.beforeWrite = (path) => {
      if (path.endsWith('memory.high')) cgroup.anonymous = 140 * MIB;
    };
    const refused = budget.shrink(mebibytes(130));
    assert.deepEqual([refused.ok, refused.limit, kernel.kills], [false, mebibytes(256), 0]);
    assert.equal(cgroup.high, highBelow(256 * MIB), 'the brake is released again');
  });

  it('would have killed had it written memory.max at once (the model can tell)', () => {
    const { kernel, budget } = using(140);
    kernel.write(`${budget.directory}/memory.max`, String(126 * MIB));
    assert.equal(kernel.kills, 1);
  });

  it('raises memory.max before memory.high, so that high never stands above it', () => {
    const { kernel, budget, cgroup } = using(10);
    kernel.beforeWrite = (path, value) => {
      if (path.endsWith('memory.high')) assert.ok(Number(value) <= cgroup.max);
    };
    assert.deepEqual(budget.grow(mebibytes(100)), { ok: true, limit: mebibytes(356) });
  });

  it('leaves the tree as it was when it closes, its programs with the agent', () => {
    const { kernel, budget } = using(10);
    budget.close();
    assert.deepEqual(kernel.children(SCOPE), []);
    assert.equal(kernel.homeOf('200') ?? 'nowhere', SCOPE);
    assert.equal(kernel.homeOf(String(AGENT)), SCOPE);
    assert.equal(kernel.at(SCOPE).handsDown.size, 0);
  });

  it('keeps the controller handed down while another domain still lives', () => {
    const { kernel, budget } = open();
    const second = open(kernel, 'b');
    budget.close();
    assert.ok(kernel.at(SCOPE).handsDown.has('memory'));
    assert.equal(second.budget.state().limit, mebibytes(256));
    second.budget.close();
    assert.deepEqual(kernel.children(SCOPE), []);
  });

  it('leaves nothing behind when it cannot be opened', () => {
    const kernel = new CgroupV2Kernel(AGENT);
    const place = findCgroupPlace(kernel, '/proc', AGENT);
    assert.ok(place.ok);
    kernel.beforeWrite = (path) => {
      if (path.endsWith('memory.max')) throw new Error('EINVAL');
    };
    const options = { name: 'a', limit: mebibytes(64), floor: mebibytes(64), ceiling: mebibytes(64) };
    assert.throws(() => CgroupBudget.open(options, place, kernel, THIS, runs), MemtideError);
    assert.deepEqual(kernel.children(SCOPE), []);
    assert.equal(kernel.homeOf(String(AGENT)), SCOPE);
  });

  it('leaves the cgroup of a domain with the same name alone when it cannot be opened', () => {
    const { kernel, budget } = open();
    assert.throws(() => open(kernel), /EEXIST/);
    assert.equal(budget.state().limit, mebibytes(256));
  });

  it('removes what an agent that was killed has left, also one that had the same number', () => {
    const { kernel, budget } = open();
    kernel.makeDirectory(`${SCOPE}/memtide-a-${AGENT}-4000`);
    kernel.makeDirectory(`${SCOPE}/memtide-old-77-12`);
    kernel.at(`${SCOPE}/memtide-old-77-12`).processes.add('300');
    kernel.makeDirectory(`${SCOPE}/somebody-else`);
    const second = open(kernel, 'b').budget;
    assert.deepEqual(
      kernel.children(SCOPE).filter((name) => name !== AGENT_LEAF),
      [budget.directory, `${SCOPE}/memtide-old-77-12`, `${SCOPE}/somebody-else`, second.directory].map((path) =>
        path.slice(SCOPE.length + 1),
      ),
      'what still has programs stays',
    );
  });

  it('says so when its directory was removed from outside', () => {
    const { kernel, budget } = open();
    kernel.removeDirectory(budget.directory);
    assert.throws(() => budget.state(), /something outside has removed/);
    budget.close();
    assert.deepEqual(kernel.children(SCOPE), [], 'the agent has left its leaf again');
  });
});

describe('looking for a place for cgroups', () => {
  const find = (kernel: CgroupV2Kernel) => findCgroupPlace(kernel, '/proc', AGENT);
  const reasonOf = (kernel: CgroupV2Kernel): string => {
    const place = find(kernel);
    assert.ok(!place.ok);
    return `${place.reason} | ${place.remedy}`;
  };

  it('needs no delegation where the controller is handed down already', () => {
    const kernel = new CgroupV2Kernel(AGENT, MOUNT);
    kernel.at(MOUNT).handsDown.add('memory');
    assert.deepEqual(find(kernel), { ok: true, version: 2, parent: MOUNT, mustDelegate: false });
  });

  it('says how to boot where there is no memory controller', () => {
    const kernel = new CgroupV2Kernel(AGENT);
    kernel.controllers = 'cpu pids';
    assert.match(reasonOf(kernel), /no memory controller in .*cgroup_enable=memory/);
  });

  it('says how to be given a place that is not writable', () => {
    const kernel = new CgroupV2Kernel(AGENT);
    kernel.makeReadOnly(`${SCOPE}/cgroup.procs`);
    assert.match(reasonOf(kernel), /cgroup\.procs is not writable.*Delegate=yes/);
  });

  it('moves nobody but itself: other processes in its cgroup rule it out', () => {
    const kernel = new CgroupV2Kernel(AGENT);
    kernel.at(SCOPE).processes.add('7').add('8');
    assert.match(reasonOf(kernel), /2 other processes live in/);
  });
});
