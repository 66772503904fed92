import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemtideError } from '../../../src/errors.ts';
import { chooseBudget } from '../../../src/platforms/budget/choose.ts';
import { mebibytes } from '../../../src/units.ts';
import { CgroupV2Kernel, SCOPE } from './cgroup-v2-kernel.ts';

const OPTIONS = {
  name: 'media',
  limit: mebibytes(256),
  floor: mebibytes(64),
  ceiling: mebibytes(512),
  pid: 100,
};

function withoutMemoryController(): CgroupV2Kernel {
  const kernel = new CgroupV2Kernel(OPTIONS.pid);
  kernel.controllers = 'cpu pids';
  return kernel;
}

describe('choosing what enforces a budget', () => {
  it('takes a delegated cgroup where there is one', () => {
    const { budget, reason } = chooseBudget({ ...OPTIONS, files: new CgroupV2Kernel(OPTIONS.pid) });
    assert.equal(budget.enforcedBy, 'cgroup v2');
    assert.equal(reason, `a cgroup v2 can be made in ${SCOPE}`);
    budget.close();
  });

  it('takes RLIMIT_DATA elsewhere, and says why', () => {
    const { budget, reason } = chooseBudget({ ...OPTIONS, files: withoutMemoryController() });
    assert.equal(budget.enforcedBy, 'RLIMIT_DATA');
    assert.match(reason, /no cgroup to be had \(v2: no memory controller/);
  });

  it('takes RLIMIT_DATA where that is what is asked for', () => {
    const files = new CgroupV2Kernel(OPTIONS.pid);
    assert.equal(chooseBudget({ ...OPTIONS, files, enforcement: 'rlimit' }).budget.enforcedBy, 'RLIMIT_DATA');
  });

  it('does not make do with less than the cgroup that was demanded', () => {
    assert.throws(
      () => chooseBudget({ ...OPTIONS, files: withoutMemoryController(), enforcement: 'cgroup' }),
      /no memory controller[\s\S]*cgroup_enable=memory/,
    );
  });

  it('refuses limits that do not fit together, and names that are no directory names', () => {
    const files = withoutMemoryController();
    assert.throws(() => chooseBudget({ ...OPTIONS, files, floor: mebibytes(300) }), /floor ≤ limit ≤ ceiling/);
    assert.throws(() => chooseBudget({ ...OPTIONS, files, ceiling: mebibytes(200) }), MemtideError);
    for (const name of ['', '../x', 'a/b', '.hidden']) {
      assert.throws(() => chooseBudget({ ...OPTIONS, files, name }), MemtideError);
    }
  });
});
