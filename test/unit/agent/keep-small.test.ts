import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { letGoOfStart } from '../../../src/agent/keep-small.ts';

/** Files as the kernel has them: the cgroup's own, and the process's word on where it is. */
describe('what only the start needed of files', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-keep-small-'));
    fs.mkdirSync(path.join(folder, 'agents/cluster'), { recursive: true });
    give('own', '0::/agents/cluster\n');
    give('agents/cluster/cgroup.procs', `${process.pid}\n`);
    give('agents/cluster/memory.stat', 'anon 21024768\nfile 35688448\nfile_mapped 30240768\n');
    give('agents/cluster/memory.reclaim', '');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  const give = (name: string, text: string): void => fs.writeFileSync(path.join(folder, name), text);
  const asked = (): string => fs.readFileSync(path.join(folder, 'agents/cluster/memory.reclaim'), 'latin1');
  const letGo = (): Promise<boolean> => letGoOfStart(folder, path.join(folder, 'own'));

  test('is given back: as much as there is of files, and nothing by swapping', async () => {
    assert.equal(await letGo(), true);
    assert.equal(asked(), '35688448 swappiness=0');
  });

  test('stays where other processes share the cgroup: theirs would go as well', async () => {
    give('agents/cluster/cgroup.procs', `${process.pid}\n1\n`);
    assert.equal(await letGo(), false);
    assert.equal(asked(), '');
  });

  test('stays without cgroup v2, and where the kernel cannot be asked', async () => {
    give('own', '4:memory:/agents/cluster\n');
    assert.equal(await letGo(), false);
    give('own', '0::/agents/other\n');
    assert.equal(await letGo(), false);
  });
});
