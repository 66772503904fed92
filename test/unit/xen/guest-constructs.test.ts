/** Weights and CPUs of guests that come and go, over a stand-in of the toolstack. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GuestConstructs } from '../../../src/agent/guest-constructs.ts';
import { checkConfig } from '../../../src/config/load.ts';
import { XenConstructs } from '../../../src/xen/constructs.ts';
import type { XlOutcome } from '../../../src/xen/xl.ts';
import { fakeXl } from '../../fakes/xl.ts';

const bounds = { floor_mib: 1, ceiling_mib: 2, budget_mib: 1 };
const guest = { floor_mib: 64, ceiling_mib: 256 };
const { domains } = checkConfig({
  domains: [
    { name: 'cluster', ...bounds, guest: { ...guest, weight: 512, cpus: '1' } },
    { name: 'infotainment', ...bounds, guest },
  ],
});

function machine(t: TestContext, answer?: (args: readonly string[]) => XlOutcome | undefined) {
  const fake = fakeXl(t, { freeMib: 700, guests: { 1: ['cluster', 256], 2: ['infotainment', 256] } });
  const domids = new Map<string, number>();
  let asked = 0;
  const guests = new GuestConstructs({
    domains,
    domidOf: (name) => domids.get(name),
    constructs: new XenConstructs(),
    problem: (error) => assert.fail(String(error)),
    xl: async (args) => {
      asked++;
      return answer?.(args) ?? fake.xl(args);
    },
    spacingMillis: 1,
  });
  t.after(() => guests.stop());
  /** Looks, again and again, until it is so. */
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let left = 500; !isSo(); left--) {
      assert.ok(left > 0, 'it does not come to it');
      guests.look();
      await sleep(5);
    }
  };
  return { ...fake, guests, domids, until, asked: () => asked };
}

test('are applied when a guest has come, once, and to its successor again; nobody waits for the toolstack', async (t) => {
  const { domids, until, read, write, guests, asked } = machine(t);
  guests.look();
  assert.equal(asked(), 0);
  domids.set('cluster', 1).set('infotainment', 2);
  assert.equal(guests.look(), undefined);
  await until(() => read('1.pin') === '1' && read('1.sched') === '512');
  await until(() => asked() === 6); // read back
  await sleep(20);
  guests.look();
  await sleep(20);
  assert.equal(asked(), 6, 'nothing is left to do');
  write('1.sched', 256);
  domids.set('cluster', 7);
  await until(() => read('1.sched') === '512');
});

test('what was refused is tried again, though not for ever', async (t) => {
  let isRefused = true;
  const refuse = () => (isRefused ? { code: 1, output: 'busy' } : undefined);
  const { domids, until, read, guests, asked } = machine(t, refuse);
  domids.set('cluster', 1);
  await until(() => asked() > 2);
  isRefused = false;
  await until(() => read('1.sched') === '512' && read('1.pin') === '1');
  isRefused = true;
  domids.set('cluster', 8);
  for (let looks = 0; looks < 30; looks++) {
    guests.look();
    await sleep(5);
  }
  const before = asked();
  guests.look();
  await sleep(20);
  assert.equal(asked(), before);
});
