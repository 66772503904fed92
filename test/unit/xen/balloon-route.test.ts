/** A guest's reservation, over a balloon driver that does what Linux's does, on a virtual clock. The real one: test/xen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../../src/clock.ts';
import { BalloonRoute, type BalloonRouteOptions } from '../../../src/platforms/xen/balloon-route.ts';
import { bytes, KIB, MIB, mebibytes } from '../../../src/units.ts';
import { LinuxBalloon } from './linux-balloon.ts';

function routeOf(change: Partial<BalloonRouteOptions> = {}) {
  const driver = new LinuxBalloon();
  const clock = new VirtualClock();
  let onTime = (_: number): void => {};
  const route = new BalloonRoute({
    driver,
    limits: { floor: mebibytes(64), ceiling: mebibytes(512) },
    bootBytes: mebibytes(256),
    deadlineMillis: 5000,
    clock,
    sleep: (duration) => {
      for (let passed = 0; passed < duration; passed++) {
        clock.advanceMicros(1000);
        driver.run();
      }
      onTime(clock.monotonicMicros() / 1000);
    },
    ...change,
  });
  return {
    driver,
    route,
    at: (event: (nowMillis: number) => void) => {
      onTime = event;
    },
  };
}

test('shrinks and grows to the page, and tells where it stands', () => {
  const { route, driver } = routeOf();
  assert.deepEqual(route.shrink(mebibytes(100)), { ok: true, limit: mebibytes(156) });
  assert.equal(driver.held, mebibytes(156));
  assert.deepEqual(route.grow(bytes(30 * MIB + 4 * KIB)), { ok: true, limit: 186 * MIB + 4 * KIB });
  assert.deepEqual(route.state(), { limit: 186 * MIB + 4 * KIB, used: mebibytes(100) });
});

test('above the ceiling, below the floor, below what is used, above boot memory: refused whole, nothing written', () => {
  const { route, driver } = routeOf();
  const refusal = (result: ReturnType<BalloonRoute['grow']>): string => (result.ok ? 'moved' : result.refusal);
  assert.equal(refusal(route.grow(mebibytes(300))), 'ceiling');
  assert.equal(refusal(route.shrink(mebibytes(200))), 'floor');
  assert.equal(refusal(route.shrink(mebibytes(150))), 'floor');
  const above = route.grow(mebibytes(1));
  assert.equal(refusal(above), 'not-supported');
  assert.match(above.ok ? '' : above.reason, /booted with 256 MiB/);
  assert.deepEqual(driver.targets, []);
});

test('a direct-mapped domain is no donor', () => {
  const { route, driver } = routeOf({ directMapped: true });
  const result = route.shrink(mebibytes(8));
  assert.match(result.ok ? 'moved' : result.reason, /direct-mapped/);
  assert.deepEqual(driver.targets, []);
});

test('a board where it was tested may grow above boot memory', () => {
  const { route, driver } = routeOf({ growBeyondBoot: true });
  driver.cap = mebibytes(512);
  assert.deepEqual(route.grow(mebibytes(64)), { ok: true, limit: mebibytes(320) });
});

test('stopped by Xen: it says so, and takes its target back, so that nothing moves later by itself', () => {
  const { route, driver } = routeOf();
  route.shrink(mebibytes(100));
  driver.cap = mebibytes(200);
  assert.deepEqual(route.grow(mebibytes(80)), {
    ok: false,
    refusal: 'pool-empty',
    limit: mebibytes(200),
    reason: 'Xen has no free memory for it, or the domain’s max_pages forbids it',
  });
  driver.cap = mebibytes(256);
  for (let millisecond = 0; millisecond < 1000; millisecond++) driver.run();
  assert.equal(driver.held, mebibytes(200));
});

test('a driver that sleeps after a refusal is woken when there is memory again', () => {
  const { route, driver, at } = routeOf();
  route.shrink(mebibytes(100));
  driver.cap = mebibytes(180);
  at((now) => {
    if (now > 300) driver.cap = mebibytes(256);
  });
  assert.deepEqual(route.grow(mebibytes(60)), { ok: true, limit: mebibytes(216) });
});

test('a driver that is stopped again and again, and goes on each time, is not given up', () => {
  const { route, driver, at } = routeOf();
  route.shrink(mebibytes(100));
  driver.cap = mebibytes(160);
  at((now) => {
    // A step of 8 MiB, each after a nudge was needed for it.
    driver.cap = mebibytes(160 + 8 * Math.floor(now / 400));
  });
  assert.deepEqual(route.grow(mebibytes(60)), { ok: true, limit: mebibytes(216) });
});

test('the model sleeps indeed: without a nudge it would never go on', () => {
  const { driver } = routeOf();
  driver.held = mebibytes(150);
  driver.cap = mebibytes(180);
  driver.setTarget(mebibytes(216));
  for (let millisecond = 0; millisecond < 100; millisecond++) driver.run();
  driver.cap = mebibytes(256);
  for (let millisecond = 0; millisecond < 10_000; millisecond++) driver.run();
  assert.equal(driver.held, mebibytes(180));
});

test('too slow for the deadline: told where it has come to, and it stays there', () => {
  const { route, driver } = routeOf({ deadlineMillis: 20 });
  const result = route.shrink(mebibytes(100));
  assert.equal(result.ok, false);
  assert.equal(result.ok ? '' : result.refusal, 'deadline');
  assert.equal(result.limit, driver.held);
  assert.equal(driver.target(), driver.held);
});
