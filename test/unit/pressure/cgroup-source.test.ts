import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { MemtideError } from '../../../src/errors.ts';
import { CgroupSource } from '../../../src/pressure/cgroup-source.ts';
import { MIB } from '../../../src/units.ts';
import { fixtureTree, PSI } from './fixture-tree.ts';

const clock = new VirtualClock(5);
const V2 = {
  'memory.current': `${100 * MIB}\n`,
  'memory.max': `${256 * MIB}\n`,
  'memory.stat': `anon 5\nworkingset_inactive_file 1\ninactive_file ${30 * MIB}\n`,
  'memory.pressure': PSI,
};
const V1 = {
  'memory.usage_in_bytes': `${100 * MIB}\n`,
  'memory.limit_in_bytes': `${256 * MIB}\n`,
  'memory.stat': `inactive_file 1\ntotal_inactive_file ${30 * MIB}\n`,
};

describe('a cgroup', () => {
  for (const [version, files] of Object.entries({ v2: V2, v1: V1 })) {
    it(`${version}: counts what it holds without the file pages that can be dropped`, (test) => {
      const source = new CgroupSource({ clock, directory: fixtureTree(test, files) });
      const sample = source.sample();
      assert.equal(source.version, version);
      assert.equal(sample.usedBytes, 70 * MIB);
      assert.equal(sample.limitBytes, 256 * MIB);
      assert.equal(sample.availableBytes, 186 * MIB);
      source.close();
    });
  }

  it('v2 has PSI of its own; v1 has none and says so', (test) => {
    const v2 = new CgroupSource({ clock, directory: fixtureTree(test, V2) });
    const v1 = new CgroupSource({ clock, directory: fixtureTree(test, V1) });
    assert.equal(v2.sample().psi?.someTotalMicros, 123456);
    const sample = v1.sample();
    assert.equal(sample.psi, undefined);
    assert.match(reason(sample, 'psi'), /use cgroup v2/);
    v2.close();
    v1.close();
  });

  for (const [version, files] of Object.entries({
    v2: { ...V2, 'memory.max': 'max\n' },
    v1: { ...V1, 'memory.limit_in_bytes': '9223372036854771712\n' },
  })) {
    it(`${version}: has no limit, and not an endless one, where none is set`, (test) => {
      const source = new CgroupSource({ clock, directory: fixtureTree(test, files) });
      const sample = source.sample();
      assert.ok(!('limitBytes' in sample) && !('availableBytes' in sample));
      assert.ok(sample.missing?.some((entry) => entry.reason.startsWith('no limit is set')));
      source.close();
    });
  }

  it('is refused where the directory is no cgroup with a memory controller', (test) => {
    assert.throws(
      () => new CgroupSource({ clock, directory: fixtureTree(test, { 'cgroup.procs': '' }) }),
      (error) => error instanceof MemtideError && error.message.includes('cgroup.subtree_control'),
    );
  });
});

const reason = (sample: ReturnType<CgroupSource['sample']>, source: string): string =>
  sample.missing?.find((entry) => entry.source === source)?.reason ?? '';
