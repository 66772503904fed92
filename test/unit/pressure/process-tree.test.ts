import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ProcessTree } from '../../../src/pressure/process-tree.ts';
import { fixtureTree, loadavg, processFiles, put } from './fixture-tree.ts';

const KIB = 1024;

function add(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) put(root, path, text);
}

describe('a process tree', () => {
  it('sums anonymous and shared memory of the root and its descendants, and of nobody else', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(300),
      ...processFiles(100, { parent: 1, anonKib: 1000, shmemKib: 24 }),
      ...processFiles(200, { parent: 100, anonKib: 500 }),
      ...processFiles(300, { parent: 200, anonKib: 50 }),
      ...processFiles(150, { parent: 1, anonKib: 7777 }),
    });
    const tree = new ProcessTree({ roots: [100], procRoot: root });
    assert.equal(tree.usedBytes(), (1000 + 24 + 500 + 50) * KIB);
    assert.equal(tree.size, 3);
    tree.close();
  });

  it('finds a child whose number is below its parent’s, as after a wrap', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(50),
      ...processFiles(30000, { parent: 1, anonKib: 100 }),
      ...processFiles(60, { parent: 30000, anonKib: 20 }),
      ...processFiles(50, { parent: 60, anonKib: 3 }),
    });
    const tree = new ProcessTree({ roots: [30000], procRoot: root });
    assert.equal(tree.usedBytes(), 123 * KIB);
    tree.close();
  });

  it('takes a name with brackets and blanks for what it is', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(8),
      ...processFiles(7, { parent: 1, anonKib: 10 }),
      ...processFiles(8, { parent: 7, name: 'a) S 1 1 (b', anonKib: 5 }),
    });
    const tree = new ProcessTree({ roots: [7], procRoot: root });
    assert.equal(tree.usedBytes(), 15 * KIB);
    tree.close();
  });

  it('keeps a descendant that has lost its parent, and forgets one that has ended', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(12),
      ...processFiles(10, { parent: 1, anonKib: 100 }),
      ...processFiles(11, { parent: 10, anonKib: 10 }),
      ...processFiles(12, { parent: 11, anonKib: 1 }),
    });
    const tree = new ProcessTree({ roots: [10], procRoot: root });
    tree.usedBytes();
    // A regular file stays readable through its descriptor; a process that has ended does not: a new tree stands for it.
    add(root, processFiles(12, { parent: 1, anonKib: 2 }));
    rmSync(`${root}/11`, { recursive: true });
    assert.ok(tree.usedBytes() >= 102 * KIB);
    assert.equal(tree.seen, 3);
    tree.close();
  });

  it('takes in a process of the root’s session whose parent ended before it was seen', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(40),
      ...processFiles(20, { parent: 1, session: 20, anonKib: 100 }),
      ...processFiles(40, { parent: 1, session: 20, anonKib: 11 }),
    });
    const tree = new ProcessTree({ roots: [20], procRoot: root });
    assert.equal(tree.usedBytes(), 111 * KIB);
    tree.close();
  });

  it('lists /proc only when the kernel has created something', (test) => {
    const root = fixtureTree(test, { loadavg: loadavg(5), ...processFiles(5, { parent: 1, anonKib: 1 }) });
    const tree = new ProcessTree({ roots: [5], procRoot: root });
    assert.equal(tree.usedBytes(), 1 * KIB);
    add(root, processFiles(6, { parent: 5, anonKib: 10 }));
    assert.equal(tree.usedBytes(), 1 * KIB);
    put(root, 'loadavg', loadavg(6));
    assert.equal(tree.usedBytes(), 11 * KIB);
    tree.close();
  });

  it('does not count a child that still runs in its parent’s address space', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(71),
      ...processFiles(70, { parent: 1, virtualKib: 900_000, anonKib: 500_000 }),
      ...processFiles(71, { parent: 70, virtualKib: 900_000, anonKib: 500_000 }),
    });
    const tree = new ProcessTree({ roots: [70], procRoot: root });
    assert.equal(tree.usedBytes(), 500_000 * KIB);
    put(root, '71/status', 'VmSize: 2000 kB\nRssAnon: 300 kB\nRssShmem: 0 kB\n');
    assert.equal(tree.usedBytes(), 500_300 * KIB);
    tree.close();
  });

  it('counts a zombie as nothing', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(81),
      ...processFiles(80, { parent: 1, anonKib: 64 }),
      '81/stat': '81 (gone) Z 80 1 1 0\n',
      '81/status': 'Name:\tgone\nState:\tZ (zombie)\n',
    });
    const tree = new ProcessTree({ roots: [80], procRoot: root });
    assert.equal(tree.usedBytes(), 64 * KIB);
    tree.close();
  });

  it('takes in a root that is added later, though it was passed over before', (test) => {
    const root = fixtureTree(test, {
      loadavg: loadavg(91),
      ...processFiles(90, { parent: 1, anonKib: 1 }),
      ...processFiles(91, { parent: 1, anonKib: 8 }),
    });
    const tree = new ProcessTree({ roots: [90], procRoot: root });
    assert.equal(tree.usedBytes(), 1 * KIB);
    tree.add(91);
    assert.equal(tree.usedBytes(), 9 * KIB);
    tree.close();
  });

  it('reads this very process', () => {
    const tree = new ProcessTree({ roots: [process.pid] });
    const used = tree.usedBytes();
    // Code and mapped files are left out, so it is less than all that is resident.
    assert.ok(used > 5 * KIB * KIB && used < process.memoryUsage.rss(), String(used));
    tree.close();
  });
});
