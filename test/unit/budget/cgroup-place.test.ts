import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { cgroupFiles } from '../../../src/platforms/budget/cgroup-files.ts';
import { findCgroupPlace } from '../../../src/platforms/budget/cgroup-place.ts';

/** A tree of files; `ROOT` in their text stands for where it lies. */
function tree(t: TestContext, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'memtide-cgroup-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text.replaceAll('ROOT', root));
  }
  return root;
}

const find = (root: string) => findCgroupPlace(cgroupFiles, join(root, 'proc'), 42);

describe('the place for cgroups, read from a tree', () => {
  it('is the v2 cgroup of a delegated systemd scope', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/user.slice/run-7.scope\n',
      'proc/self/mountinfo': '30 24 0:26 / ROOT/cg rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n',
      'cg/user.slice/run-7.scope/cgroup.controllers': 'memory pids\n',
      'cg/user.slice/run-7.scope/cgroup.procs': '42\n',
      'cg/user.slice/run-7.scope/cgroup.subtree_control': '\n',
    });
    const parent = join(root, 'cg/user.slice/run-7.scope');
    assert.deepEqual(find(root), { ok: true, version: 2, parent, mustDelegate: true });
  });

  it('is found in a container that sees a part of the hierarchy only', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/docker/abc/app\n',
      'proc/self/mountinfo': '30 24 0:26 /docker/abc ROOT/my\\040cgroups rw - cgroup2 cgroup2 rw\n',
      'my cgroups/app/cgroup.controllers': 'memory\n',
      'my cgroups/app/cgroup.procs': '',
      'my cgroups/app/cgroup.subtree_control': 'memory\n',
    });
    assert.deepEqual(find(root), { ok: true, version: 2, parent: join(root, 'my cgroups/app'), mustDelegate: false });
  });

  it('is the v1 memory hierarchy where v2 has no memory controller', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '9:name=systemd:/\n4:cpu,memory:/car/nav\n0::/\n',
      'proc/self/mountinfo':
        '35 31 0:32 / ROOT/memory rw,relatime - cgroup cgroup rw,cpu,memory\n41 31 0:38 / ROOT/unified rw - cgroup2 cgroup2 rw\n',
      'unified/cgroup.controllers': 'hugetlb\n',
      'memory/car/nav/memory.limit_in_bytes': '9223372036854771712\n',
    });
    assert.deepEqual(find(root), {
      ok: true,
      version: 1,
      parent: join(root, 'memory/car/nav'),
      mustDelegate: false,
    });
  });

  it('is refused with the reasons of both versions', (t) => {
    const root = tree(t, {
      'proc/self/cgroup': '0::/\n',
      'proc/self/mountinfo': '41 31 0:38 / ROOT/unified rw - cgroup2 cgroup2 rw\n',
      'unified/cgroup.controllers': '\n',
    });
    const place = find(root);
    assert.ok(!place.ok);
    assert.match(place.reason, /^v2: no memory controller in .*; v1: the memory controller is not mounted$/);
  });

  it('is refused where /proc tells of no cgroups', (t) => {
    const place = find(tree(t, { 'proc/version': 'Linux' }));
    assert.ok(!place.ok);
    assert.match(place.reason, /^no cgroups here: ENOENT/);
  });
});
