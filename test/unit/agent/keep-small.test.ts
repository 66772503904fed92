import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { letGoOfStart } from '../../../src/agent/keep-small.ts';

/** Files as the kernel has them: the cgroup's own, and where the process is. */
describe('what only the start needed of files', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-keep-small-'));
    give('proc/self/cgroup', '0::/agents/cluster\n');
    give('proc/self/mountinfo', `32 31 0:29 / ${folder}/cgroups rw - cgroup2 cgroup2 rw\n`);
    give('cgroups/agents/cluster/cgroup.procs', `${process.pid}\n`);
    give('cgroups/agents/cluster/memory.stat', 'anon 21024768\nfile 35688448\nfile_mapped 30240768\n');
    give('cgroups/agents/cluster/memory.reclaim', '');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  const give = (name: string, text: string): void => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  };
  const asked = (): string => fs.readFileSync(path.join(folder, 'cgroups/agents/cluster/memory.reclaim'), 'latin1');
  const letGo = (): Promise<boolean> => letGoOfStart(path.join(folder, 'proc'));

  test('is given back: as much as there is of files, and nothing by swapping', async () => {
    assert.equal(await letGo(), true);
    assert.equal(asked(), '35688448 swappiness=0');
  });

  test('stays where other processes share the cgroup: theirs would go as well', async () => {
    give('cgroups/agents/cluster/cgroup.procs', `${process.pid}\n1\n`);
    assert.equal(await letGo(), false);
    assert.equal(asked(), '');
  });

  test('stays without cgroup v2, and where the kernel cannot be asked', async () => {
    give('proc/self/cgroup', '4:memory:/agents/cluster\n');
    assert.equal(await letGo(), false);
    give('proc/self/cgroup', '0::/agents/cluster\n');
    fs.rmSync(path.join(folder, 'cgroups/agents/cluster/memory.reclaim'));
    assert.equal(await letGo(), false);
  });
});
