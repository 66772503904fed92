/** Scheduler constructs: applied, read back, and undone. Over a stand-in of the toolstack, and a tree of files like /proc. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { type Construct, XenConstructs } from '../../../src/xen/constructs.ts';
import { pinning, rateLimit, weight } from '../../../src/xen/credit2.ts';
import { balloonThread, eventChannelCpu, eventChannelIrqs, singlePages } from '../../../src/xen/kernel-constructs.ts';
import { fakeXl } from '../../fakes/xl.ts';

const GUESTS = { freeMib: 700, guests: { 1: ['cluster', 256] as [string, number] } };

test('credit2: rate limit, weight and CPUs are set, read back and put back', async (t) => {
  const { xl, read } = fakeXl(t, GUESTS);
  const constructs = new XenConstructs();
  await constructs.apply([rateLimit(100, xl), weight('cluster', 512, xl), pinning('cluster', '1', xl)]);
  assert.deepEqual(constructs.reports, [
    { construct: 'rate limit of credit2', wanted: '100 µs', in_force: '100 µs' },
    { construct: 'weight of cluster', wanted: '512', in_force: '512' },
    { construct: 'CPUs of cluster', wanted: '1', in_force: '1' },
  ]);
  assert.deepEqual([read('sched'), read('1.sched'), read('1.pin')], ['100', '512', '1']);
  await constructs.undo();
  assert.deepEqual([read('sched'), read('1.sched'), read('1.pin')], ['1000', '256', 'all']);
});

test('what stands already is left alone, and stays when all is undone', async (t) => {
  const { xl, read, write } = fakeXl(t, GUESTS);
  write('sched', 100);
  const constructs = new XenConstructs();
  await constructs.apply([rateLimit(100, xl)]);
  await constructs.undo();
  assert.equal(read('sched'), '100');
  assert.doesNotMatch(read('log'), /-r 100/);
});

test('a domain that is not there, and a construct without effect: told, and the others are applied', async (t) => {
  const { xl, read } = fakeXl(t, GUESTS);
  const stubborn: Construct = { name: 'stubborn', wanted: 'b', read: async () => 'a', write: async () => {} };
  const constructs = new XenConstructs();
  await constructs.apply([weight('nobody', 512, xl), stubborn, weight('cluster', 300, xl)]);
  const [absent, without, applied] = constructs.reports;
  assert.match(absent!.refused!, /invalid domain/);
  assert.deepEqual(without, { construct: 'stubborn', wanted: 'b', in_force: 'a', refused: 'no effect' });
  assert.equal(applied!.in_force, '300');
  assert.equal(read('1.sched'), '300');
});

test('a guest that was created anew gets its weight again; what the dead one had is not put back', async (t) => {
  const { xl, read, write } = fakeXl(t, GUESTS);
  const constructs = new XenConstructs();
  await constructs.apply([weight('cluster', 512, xl)]);
  write('1.sched', 128); // its successor
  await constructs.apply([weight('cluster', 512, xl)]);
  assert.equal(read('1.sched'), '512');
  await constructs.undo();
  assert.equal(read('1.sched'), '128');
});

const INTERRUPTS = `           CPU0       CPU1
  0:        262          0   xen-dyn     Edge    -event     xenbus
 16:          9          0  xen-dyn-lateeoi     Edge    -event     vif0-q0-tx
 20:          0          0  xen-dyn-lateeoi     Edge    -event     evtchn:xenstored
 26:          1          5  xen-dyn-lateeoi     Edge    -event     evtchn:node
IPI0:         0          0       Rescheduling interrupts
`;

test('interrupts of the event channels that programs have bound, and of nothing else', () => {
  assert.deepEqual(eventChannelIrqs(INTERRUPTS), ['20', '26']);
  assert.deepEqual(eventChannelIrqs(''), []);
});

test('event channels go to one CPU, and back', async (t) => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-proc-'));
  t.after(() => fs.rmSync(root, { recursive: true }));
  fs.writeFileSync(path.join(root, 'interrupts'), INTERRUPTS);
  const affinity = (irq: number): string => path.join(root, 'irq', String(irq), 'smp_affinity_list');
  for (const irq of [16, 20, 26]) {
    fs.mkdirSync(path.dirname(affinity(irq)), { recursive: true });
    fs.writeFileSync(affinity(irq), '0-1\n');
  }
  const constructs = new XenConstructs();
  await constructs.apply([eventChannelCpu(1, root)]);
  assert.equal(constructs.reports[0]!.in_force, '1');
  assert.deepEqual(
    [16, 20, 26].map((irq) => fs.readFileSync(affinity(irq), 'utf8').trim()),
    ['0-1', '1', '1'],
  );
  await constructs.undo();
  assert.deepEqual(
    [20, 26].map((irq) => fs.readFileSync(affinity(irq), 'utf8').trim()),
    ['0-1', '0-1'],
  );
});

test('a kernel without a xen-balloon thread: told', async (t) => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-proc-'));
  t.after(() => fs.rmSync(root, { recursive: true }));
  fs.mkdirSync(path.join(root, '12'));
  fs.writeFileSync(path.join(root, '12', 'comm'), 'kthreadd\n');
  const constructs = new XenConstructs();
  await constructs.apply([balloonThread(10, root)]);
  assert.match(constructs.reports[0]!.refused!, /no xen-balloon thread/);
});

test('a kernel leaves off looking for large pages, and looks again afterwards; what it does not know is told', async (t) => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-proc-'));
  t.after(() => fs.rmSync(root, { recursive: true }));
  const file = (name: string): string => path.join(root, 'sys/vm', name);
  fs.mkdirSync(path.join(root, 'sys/vm'), { recursive: true });
  fs.writeFileSync(file('watermark_boost_factor'), '15000\n');
  fs.writeFileSync(file('compaction_proactiveness'), '20\n');
  const constructs = new XenConstructs();
  assert.equal(await constructs.apply(singlePages(root)), false);
  assert.deepEqual(
    constructs.reports.map(({ construct, in_force }) => [construct, in_force]),
    [
      ['vm.watermark_boost_factor', '0'],
      ['vm.compaction_proactiveness', '0'],
      ['net.core.high_order_alloc_disable', undefined],
    ],
  );
  assert.match(constructs.reports[2]!.refused!, /ENOENT/);
  await constructs.undo();
  assert.equal(fs.readFileSync(file('watermark_boost_factor'), 'latin1'), '15000');
  assert.equal(fs.readFileSync(file('compaction_proactiveness'), 'latin1'), '20');
});
