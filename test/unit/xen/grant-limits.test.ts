import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { raiseGrantLimits } from '../../../src/xen/grant-limits.ts';

const table = { capacity: () => 64 * 512 };

/** A stand-in for /sys/module. */
function modules(limit: string, freePerIteration?: string) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-modules-'));
  const place = (module: string, name: string, value: string): string => {
    const file = path.join(folder, module, 'parameters', name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, value);
    return file;
  };
  const limitFile = place('xen_gntalloc', 'limit', limit);
  const eager = freePerIteration && place('grant_table', 'free_per_iteration', freePerIteration);
  const read = (file = limitFile): string => fs.readFileSync(file, 'latin1');
  return { folder, read, eager, [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true }) };
}

test('the limit of pages is raised for what is lent, and set back', () => {
  using system = modules('1024\n', '10\n');
  const undo = raiseGrantLimits(12_288, table, system.folder);
  assert.ok(Number(system.read()) >= 12_288);
  assert.equal(system.read(system.eager), '0');
  undo();
  assert.equal(system.read(), '1024');
});

test('a limit that is high enough is left alone', () => {
  using system = modules('100000\n');
  raiseGrantLimits(12_288, table, system.folder)();
  assert.equal(Number(system.read()), 100_000);
});

test('more than Xen’s grant table holds is refused, and the error names the option that raises it', () => {
  using system = modules('1024\n');
  assert.throws(() => raiseGrantLimits(64 * 512, table, system.folder), /gnttab_max_frames=65/);
  assert.equal(Number(system.read()), 1024);
});

test('where gntalloc is not loaded, the error says so', () => {
  assert.throws(() => raiseGrantLimits(16, table, '/nonexistent'), /modprobe xen-gntalloc/);
});
