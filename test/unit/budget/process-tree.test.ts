import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ProcessStatus } from '../../../src/platforms/budget/process-status.ts';
import { ProcessTree } from '../../../src/platforms/budget/process-tree.ts';

class Proc {
  readonly root = mkdtempSync(join(tmpdir(), 'memtide-proc-'));

  constructor(t: TestContext) {
    t.after(() => rmSync(this.root, { recursive: true }));
    mkdirSync(join(this.root, 'sys'));
  }

  start(pid: number, parent: number, name = 'program'): void {
    mkdirSync(join(this.root, String(pid)));
    writeFileSync(join(this.root, `${pid}/stat`), `${pid} (${name}) S ${parent} 1 1 0 -1 4194560 1\n`);
    writeFileSync(join(this.root, 'loadavg'), `0.95 0.59 0.30 4/142 ${pid}\n`);
  }

  end(pid: number): void {
    rmSync(join(this.root, String(pid)), { recursive: true });
  }
}

const pids = (found: ReadonlyArray<{ pid: number }>): number[] => found.map(({ pid }) => pid);

describe('following the children of programs', () => {
  it('finds children and grandchildren, and nobody else', (t) => {
    const proc = new Proc(t);
    for (const [pid, parent] of [
      [1, 0],
      [50, 1],
      [10, 1],
      [40, 30],
      [30, 10],
      [20, 10],
    ] as const)
      proc.start(pid, parent);
    const found = new ProcessTree(proc.root).newDescendants(new Set([10]));
    assert.deepEqual(pids(found).sort(), [20, 30, 40]);
    assert.deepEqual(
      found.find(({ pid }) => pid === 40),
      { pid: 40, parent: 30 },
    );
    assert.ok(pids(found).indexOf(30) < pids(found).indexOf(40), 'the parent comes first');
  });

  it('finds a child that was started since the last look', (t) => {
    const proc = new Proc(t);
    proc.start(10, 1);
    const tree = new ProcessTree(proc.root);
    assert.deepEqual(tree.newDescendants(new Set([10])), []);
    proc.start(11, 10);
    assert.deepEqual(pids(tree.newDescendants(new Set([10]))), [11]);
  });

  it('reads no process while the kernel has started none', (t) => {
    const proc = new Proc(t);
    proc.start(10, 1);
    const tree = new ProcessTree(proc.root);
    tree.newDescendants(new Set([10]));
    proc.start(11, 10);
    writeFileSync(join(proc.root, 'loadavg'), '0.95 0.59 0.30 4/142 10\n');
    assert.deepEqual(tree.newDescendants(new Set([10])), []);
    tree.forget();
    assert.deepEqual(pids(tree.newDescendants(new Set([10]))), [11]);
  });

  it('looks anew at numbers that were given out again', (t) => {
    const proc = new Proc(t);
    for (const [pid, parent] of [
      [10, 1],
      [900, 1],
    ] as const)
      proc.start(pid, parent);
    const tree = new ProcessTree(proc.root);
    assert.deepEqual(tree.newDescendants(new Set([10])), []);
    proc.end(900);
    proc.start(900, 10);
    writeFileSync(join(proc.root, 'loadavg'), '0.95 0.59 0.30 4/142 850\n');
    assert.deepEqual(pids(tree.newDescendants(new Set([10]))), [900]);
  });

  it('is not confused by a program name with spaces and brackets', (t) => {
    const proc = new Proc(t);
    proc.start(10, 1);
    proc.start(11, 10, 'a) S 77 (b');
    assert.deepEqual(pids(new ProcessTree(proc.root).newDescendants(new Set([10]))), [11]);
  });
});

describe('the status of a process', () => {
  it('is what /proc says of this one', () => {
    const status = ProcessStatus.open('/proc', process.pid)!;
    assert.equal(status.read(), true);
    assert.ok(status.rssAnonBytes > 1 << 20);
    assert.ok(status.vmDataBytes > status.rssAnonBytes);
    status.close();
  });

  it('fails once the process has ended', async () => {
    const child = spawn('sleep', ['60']);
    const status = ProcessStatus.open('/proc', child.pid!)!;
    assert.equal(status.read(), true);
    child.kill();
    await once(child, 'exit');
    assert.equal(status.read(), false);
    status.close();
  });

  it('is undefined for a process that there is not', () => {
    assert.equal(ProcessStatus.open('/proc', 2 ** 22 + 1), undefined);
  });

  it('is that of a dead process where it has no memory any more', (t) => {
    const root = mkdtempSync(join(tmpdir(), 'memtide-proc-'));
    t.after(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, '7'));
    writeFileSync(join(root, '7/status'), 'Name:\tdefunct\nState:\tZ (zombie)\nThreads:\t1\n');
    const status = ProcessStatus.open(root, 7)!;
    assert.equal(status.read(), false);
    status.close();
  });
});
