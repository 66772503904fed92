/** What of the emulated board's machinery can be tried without it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { benchOptions } from '../../../firmware-scripts/emulated-board/bench.ts';
import { DeafDom0, Dom0 } from '../../../firmware-scripts/emulated-board/dom0.ts';
import { readGuests, withMemory } from '../../../firmware-scripts/emulated-board/guests.ts';
import { Progress } from '../../../firmware-scripts/emulated-board/progress.ts';
import { whatIsMissing } from '../../../firmware-scripts/emulated-board/requirements.ts';
import { packageRoot } from '../../../src/package-root.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-board-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const never = new Promise<never>(() => {});

test('the guests of the board each have a name and an address of their own', () => {
  const guests = readGuests(path.join(packageRoot(), 'boards/qemu/virt-arm64/domains'));
  assert.deepEqual(
    guests.map(({ name, address }) => [name, address]),
    [
      ['cluster', '10.17.0.2'],
      ['infotainment', '10.17.0.3'],
    ],
  );
});

test('on ARM a guest must have memory = maxmem, and acpi = 0: the board’s have', () => {
  for (const { name, config } of readGuests(path.join(packageRoot(), 'boards/qemu/virt-arm64/domains'))) {
    const value = (key: string): string | undefined => new RegExp(`^${key} = (\\d+)$`, 'm').exec(config)?.[1];
    assert.ok(value('memory') !== undefined, name);
    assert.equal(value('memory'), value('maxmem'), name);
    assert.equal(value('acpi'), '0', name);
  }
});

test('a guest that is booted with another amount of memory keeps the rest of its config', () => {
  const [guest] = readGuests(path.join(packageRoot(), 'boards/qemu/virt-arm64/domains'));
  const { config } = withMemory(guest!, 384);
  assert.match(config, /^memory = 384\nmaxmem = 384$/m);
  assert.equal(config.replaceAll('384', '256'), guest!.config);
});

test('of the bench’s options, what the guests are booted with is the board’s; the rest is told to the bench', () => {
  assert.deepEqual(benchOptions(['--quick']), { guestMib: 384, options: ['--quick'] });
  const options = benchOptions(['--rounds', '3', '--guest-mib', '256', '--cases', 'xen-pool']);
  assert.deepEqual(options, { guestMib: 256, options: ['--rounds', '3', '--cases', 'xen-pool'] });
  assert.throws(() => benchOptions(['--guest-mib', 'much']), /--guest-mib[\s\S]*much/);
});

test('a domain config without an address is refused by name', () => {
  fs.writeFileSync(path.join(folder, 'lost.cfg'), 'name = "lost"\nextra = "quiet"\n');
  assert.throws(() => readGuests(folder), /lost\.cfg[\s\S]*memtide\.ip=/);
});

test('what is missing is named, with the packages that bring it', () => {
  assert.match(whatIsMissing(folder, 0)!, /no qemu-system-aarch64, mmdebstrap.*apt install qemu-system-arm mmdebstrap/);
});

test('a wait that is over says what it waited for; one that is cut off says why', async () => {
  const progress = new Progress(() => {});
  const wait = { what: 'the tide has come', deadlineSeconds: 0, remedy: 'read the almanac', attempt: () => undefined };
  await assert.rejects(progress.wait(wait, never), /the tide has come[\s\S]*within 0 s[\s\S]*read the almanac/);
  const gone = Promise.reject(new Error('the board is gone'));
  await assert.rejects(progress.wait({ ...wait, deadlineSeconds: 60 }, gone), /the board is gone/);
});

test('an order is a whole file, and its outcome is what dom0 wrote', async () => {
  const share = fs.mkdtempSync(path.join(folder, 'share-'));
  const told: string[] = [];
  const running = new Dom0(share, never).run('echo tide', { deadlineSeconds: 60, onOutput: (text) => told.push(text) });
  assert.equal(fs.readFileSync(path.join(share, 'order.1'), 'utf8'), 'echo tide');
  fs.writeFileSync(path.join(share, 'out.1'), 'tide\n');
  fs.writeFileSync(path.join(share, 'code.1'), '3\n');
  assert.deepEqual(await running, { code: 3, output: 'tide\n' });
  assert.equal(told.join(''), 'tide\n');
});

test('an order that must succeed and does not: its first line, its code and its output are told', async () => {
  const share = fs.mkdtempSync(path.join(folder, 'share-'));
  fs.writeFileSync(path.join(share, 'out.1'), 'xl: no such domain\n');
  fs.writeFileSync(path.join(share, 'code.1'), '1\n');
  const failed = new Dom0(share, never).must('xl destroy moon\nsync', { deadlineSeconds: 60 });
  await assert.rejects(failed, /xl destroy moon\n[\s\S]*exit code 1: xl: no such domain/);
});

test('a dom0 that takes no order is told from one whose script takes too long', async () => {
  const share = fs.mkdtempSync(path.join(folder, 'share-'));
  const dom0 = new Dom0(share, never);
  await assert.rejects(dom0.run('true', { deadlineSeconds: 0 }), DeafDom0);
  fs.writeFileSync(path.join(share, 'out.2'), 'half of it\n');
  await assert.rejects(
    dom0.run('true', { deadlineSeconds: 0 }),
    (error) => !(error instanceof DeafDom0) && /said so far: half of it/.test(String(error)),
  );
});

test('a dom0 that has said for minutes that it lives, and says so no more: whatever runs there is given up', async () => {
  const share = fs.mkdtempSync(path.join(folder, 'share-'));
  const alive = path.join(share, 'alive');
  fs.writeFileSync(alive, '12\n');
  fs.writeFileSync(path.join(share, 'out.1'), 'half of it\n');
  fs.writeFileSync(path.join(share, 'code.1'), '0\n');
  const dom0 = new Dom0(share, never);
  assert.equal((await dom0.run('true', { deadlineSeconds: 60 })).code, 0);
  const anHourAgo = Date.now() / 1000 - 3600;
  fs.utimesSync(alive, anHourAgo, anHourAgo);
  await assert.rejects(dom0.run('sleep 1000', { deadlineSeconds: 2000 }), DeafDom0);
});
