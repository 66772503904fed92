import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type GpioAccess, openButton, openOutput } from '../../../src/board/gpio.ts';
import { VirtualClock } from '../../../src/clock.ts';
import { repositoryRoot } from '../../architecture/source-tree.ts';
import { addChip, addLine, fakePrograms, notInstalled, OnoffStandIn, temporaryRoot, write } from './gpio-fixture.ts';

const binding = { chip_label: 'pinctrl-bcm2711', line: 17, active_low: false };
const button = { ...binding, debounce_ms: 50 };
const failures: string[] = [];
const onFailure = (reason: string) => failures.push(reason);

/** A Raspberry Pi whose lines start at 512, seen through sysfs. */
function raspberryPi(t: TestContext, onoff: OnoffStandIn): GpioAccess {
  const root = temporaryRoot(t);
  addChip(root, 512, 'pinctrl-bcm2711', 58);
  write(root, 'sys/class/gpio/export', '');
  addLine(root, 512 + 17);
  return { root, loadOnoff: async () => onoff.module, sleep: async () => {}, env: { PATH: root } };
}

test('an output is the line at the chip’s base plus the offset, and starts and ends at 0', async (t) => {
  const onoff = new OnoffStandIn();
  const opened = await openOutput(binding, onFailure, raspberryPi(t, onoff));
  assert.ok(opened.ok);
  assert.equal(opened.line.via, 'sysfs');
  opened.line.set(1);
  opened.line.set(0);
  await opened.line.close();
  assert.deepEqual(onoff.calls, ['open 529 low none', 'write 1', 'write 0', 'write 0', 'unexport']);
});

test('an active-low output starts at the high level of the wire: inactive', async (t) => {
  const onoff = new OnoffStandIn();
  await openOutput({ ...binding, active_low: true }, onFailure, raspberryPi(t, onoff));
  assert.deepEqual(onoff.calls, ['open 529 high none active-low']);
});

test('a line that is not exported yet is exported, and its files are waited for', async (t) => {
  const onoff = new OnoffStandIn();
  const access = raspberryPi(t, onoff);
  fs.rmSync(path.join(access.root, 'sys/class/gpio/gpio529'), { recursive: true });
  let pauses = 0;
  const sleep = async () => {
    if (++pauses === 3) addLine(access.root, 529);
  };
  const opened = await openOutput(binding, onFailure, { ...access, sleep });
  assert.ok(opened.ok);
  assert.equal(fs.readFileSync(path.join(access.root, 'sys/class/gpio/export'), 'utf8'), '529');
  assert.equal(pauses, 3);
});

test('files that never appear are given up on, with a reason', async (t) => {
  const access = raspberryPi(t, new OnoffStandIn());
  fs.rmSync(path.join(access.root, 'sys/class/gpio/gpio529'), { recursive: true });
  const opened = await openOutput(binding, onFailure, access);
  assert.ok(!opened.ok);
  assert.match(opened.reason, /sysfs: line 17 of pinctrl-bcm2711: ENOENT/);
});

test('a direction that the kernel refused is noticed', async (t) => {
  const onoff = new OnoffStandIn({ refuseDirection: true });
  const opened = await openOutput(binding, onFailure, raspberryPi(t, onoff));
  assert.ok(!opened.ok);
  assert.match(opened.reason, /could not be made an output/);
  assert.equal(onoff.calls.at(-1), 'unexport');
});

test('where neither sysfs nor libgpiod can be had, one reason names both', async (t) => {
  const root = temporaryRoot(t);
  const opened = await openOutput(binding, onFailure, {
    root,
    loadOnoff: notInstalled,
    sleep: async () => {},
    env: { PATH: root },
  });
  assert.deepEqual(opened, {
    ok: false,
    reason:
      'sysfs: this kernel has no sysfs GPIO (CONFIG_GPIO_SYSFS); libgpiod: the programs of libgpiod are not installed (Debian: apt install gpiod)',
  });
});

test('without onoff the reason says that it is not installed', async (t) => {
  const access = { ...raspberryPi(t, new OnoffStandIn()), loadOnoff: notInstalled };
  const opened = await openOutput(binding, onFailure, access);
  assert.ok(!opened.ok);
  assert.match(opened.reason, /sysfs: the optional package onoff is not installed/);
});

test('a button tells each press once, at the instant of its first edge', async (t) => {
  const onoff = new OnoffStandIn();
  const clock = new VirtualClock();
  const presses: number[] = [];
  const opened = await openButton(button, (at) => presses.push(at), onFailure, { ...raspberryPi(t, onoff), clock });
  assert.ok(opened.ok);
  assert.deepEqual(onoff.calls, ['open 529 in both']);
  for (const [pauseMillis, level] of [
    [1000, 1],
    [2, 0],
    [3, 1],
    [700, 0],
    [2, 1],
    [2, 0],
    [900, 1],
  ] as const) {
    clock.advanceMicros(pauseMillis * 1000);
    onoff.edge(level);
  }
  assert.deepEqual(presses, [1_000_000, 2_609_000]);
});

/** A kernel without sysfs GPIO, with the programs of libgpiod. */
function libgpiod(t: TestContext, version: 1 | 2): { access: GpioAccess; log: () => string[]; edges: string } {
  const root = temporaryRoot(t);
  const log = path.join(root, 'log');
  const edges = path.join(root, 'edges');
  const env = {
    PATH: `${fakePrograms(repositoryRoot(), version)}:/usr/bin:/bin`,
    FAKE_GPIO_LOG: log,
    FAKE_GPIO_EDGES: edges,
  };
  return {
    access: { root, loadOnoff: notInstalled, sleep: async () => {}, env },
    log: () => fs.readFileSync(log, 'utf8').trim().split('\n'),
    edges,
  };
}

const SET_AND_END = { 1: '--mode=exit', 2: '--toggle 0' } as const;
const HOLD = { 1: 'gpioset --mode=signal gpiochip0', 2: 'gpioset --chip gpiochip0' } as const;
const CHIP = { 1: 'gpiochip0', 2: '--chip gpiochip0' } as const;

for (const version of [1, 2] as const) {
  test(`libgpiod ${version}: an output is tried, held at each value in turn, and left at 0`, async (t) => {
    const { access, log } = libgpiod(t, version);
    const opened = await openOutput(binding, assert.fail, access);
    assert.ok(opened.ok, opened.ok ? '' : opened.reason);
    assert.equal(opened.line.via, 'libgpiod');
    opened.line.set(1);
    await until(() => log().length === 2);
    await opened.line.close();
    const setAndEnd = `gpioset ${SET_AND_END[version]} ${CHIP[version]} 17=0`;
    assert.deepEqual(log(), [setAndEnd, `${HOLD[version]} 17=1`, setAndEnd]);
    assert.ok(!fs.existsSync(path.join(access.root, 'log.held')), 'the line is free again');
  });

  test(`libgpiod ${version}: a line in use is refused with the program’s own words`, async (t) => {
    const { access } = libgpiod(t, version);
    fs.mkdirSync(path.join(access.root, 'log.held'));
    const opened = await openOutput(binding, onFailure, access);
    assert.ok(!opened.ok);
    assert.match(opened.reason, /libgpiod: gpioset: .*Device or resource busy/);
  });

  test(`libgpiod ${version}: presses are told, and so is a chip that goes away`, async (t) => {
    const { access, log, edges } = libgpiod(t, version);
    fs.writeFileSync(edges, 'rising\nfalling\nrising\n');
    const clock = new VirtualClock(1_000_000);
    const presses: number[] = [];
    const ended = new Promise<string>((resolve) => {
      void openButton({ ...button, active_low: true }, (at) => presses.push(at), resolve, { ...access, clock });
    });
    assert.match(await ended, /gpiomon ended: gpiomon: .*No such device/);
    assert.deepEqual(presses, [1_000_000], 'edges at one instant are one press');
    const buffered = version === 1 ? '--line-buffered ' : '';
    assert.deepEqual(log(), [`gpiomon ${buffered}--format=%e --active-low ${CHIP[version]} 17`]);
  });
}

/** Waits for what another process does; the test runner's own limit bounds it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
