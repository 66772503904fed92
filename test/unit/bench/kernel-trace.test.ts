/** Counts of the kernel, as tracefs prints them. Against a kernel: test/xen. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { countsBetween, KernelTrace, parseHistogram } from '../../../src/evaluation/bench/xen/kernel-trace.ts';

const HISTOGRAM = `# event histogram
#
# trigger info: hist:keys=common_pid,cmd:vals=hitcount:sort=hitcount:size=4096 [active]
#

{ common_pid:          0, cmd:     278788 } hitcount:          2
{ common_pid:        417, cmd:     278788 } hitcount:         12

Totals:
    Hits: 14
    Entries: 2
    Dropped: 0
`;

test('a histogram of tracefs is read: its keys, its hits, and nothing of what stands around them', () => {
  assert.deepEqual(parseHistogram(HISTOGRAM), [
    { keys: { common_pid: 0, cmd: 278788 }, hits: 2 },
    { keys: { common_pid: 417, cmd: 278788 }, hits: 12 },
  ]);
});

test('between two readings: what grew, and what was not there before', () => {
  const sends = (pid: number, hits: number) => ({ event: 'notify' as const, pid, hits });
  assert.deepEqual(countsBetween([sends(1, 5), sends(2, 9)], [sends(1, 8), sends(2, 9), sends(3, 1)]), [
    sends(1, 3),
    sends(3, 1),
  ]);
});

test('without tracefs the error says how to mount it', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-tracefs-'));
  try {
    assert.throws(() => KernelTrace.open(folder), /cannot count what the kernel does[\s\S]*mount -t tracefs tracefs/);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
