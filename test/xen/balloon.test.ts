/** A guest's reservation over its balloon, each move checked against Xen's own counts; and why dom0 has none to give. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemBalloon } from '../../src/platforms/xen/balloon-driver.ts';
import { bytes, KIB, MIB, mebibytes } from '../../src/units.ts';
import { domidOf, GUESTS, GuestProgram, inDom0, ON_BOARD, xlMib } from './guests.ts';

const BOOT_MIB = 256;
const STEP_MIB = 48;
/** Xen's counts are told in whole MiB, and the guest's own calls need a page now and then. */
const ROUNDING_MIB = 1;

describe('reservation over the balloon', { ...ON_BOARD, timeout: 600_000 }, () => {
  const guest = GUESTS[0]!;
  let program: GuestProgram;
  before(async () => {
    program = await GuestProgram.shared();
    await program.call('openReservation', 96, BOOT_MIB, BOOT_MIB);
  });

  // Whatever a failure left: those that come later need all of the guest.
  after(async () => {
    const { limit } = await program.call('reservation');
    await program.call('grow', BOOT_MIB - limit / MIB);
  });

  const held = async (): Promise<number> => (await program.call('reservation')).limit / MIB;
  const assertNear = (actual: number, expected: number, what: string): void =>
    assert.ok(Math.abs(actual - expected) <= ROUNDING_MIB, `${what}: ${actual}, not ${expected} MiB`);

  test('what the guest gives up is in Xen’s free heap, and comes back', async () => {
    const [free, own] = [await freeMib(), await xlMib(guest)];
    const given = await program.call('shrink', STEP_MIB);
    assert.deepEqual(given, { ok: true, limit: mebibytes(BOOT_MIB - STEP_MIB) });
    assertNear(await xlMib(guest), own - STEP_MIB, 'the guest holds');
    assertNear(await freeMib(), free + STEP_MIB, 'Xen has free');
    assert.deepEqual(await program.call('grow', STEP_MIB), { ok: true, limit: mebibytes(BOOT_MIB) });
    assertNear(await xlMib(guest), own, 'the guest holds again');
    assertNear(await freeMib(), free, 'Xen has free again');
  });

  test('above boot memory and below the floor: refused, nothing moved', async () => {
    const above = await program.call('grow', 1);
    assert.equal(above.ok ? 'moved' : above.refusal, 'ceiling');
    await program.call('openReservation', 96, BOOT_MIB * 2, BOOT_MIB);
    const beyond = await program.call('grow', 1);
    assert.equal(beyond.ok ? 'moved' : beyond.refusal, 'not-supported');
    const below = await program.call('shrink', BOOT_MIB - 95);
    assert.equal(below.ok ? 'moved' : below.refusal, 'floor');
    assert.equal(await held(), BOOT_MIB);
  });

  test('more than can be given up without a stall: refused, nothing moved', async () => {
    await program.call('openReservation', 1, BOOT_MIB, BOOT_MIB);
    const refused = await program.call('shrink', BOOT_MIB - 8);
    assert.equal(refused.ok ? 'moved' : refused.refusal, 'floor');
    assert.equal(await held(), BOOT_MIB);
  });

  test('the entitlement is Xen’s: capped by dom0 the guest stops there, and goes on when the cap is raised', async () => {
    assert.deepEqual(await program.call('shrink', STEP_MIB), { ok: true, limit: mebibytes(BOOT_MIB - STEP_MIB) });
    // The toolstack refuses a cap below the target that it knows of, so dom0 mirrors the guest's own.
    const target = `/local/domain/${await domidOf(guest)}/memory/target`;
    await inDom0('xenstore-write', target, String((await program.call('reservation')).limit / KIB));
    await inDom0('xl', 'mem-max', guest.name, String(BOOT_MIB - STEP_MIB / 2));
    const capped = await program.call('grow', STEP_MIB);
    assert.equal(capped.ok ? 'moved' : capped.refusal, 'pool-empty');
    assert.ok(capped.limit < mebibytes(BOOT_MIB), `${capped.limit / MIB} MiB`);
    await inDom0('xl', 'mem-max', guest.name, String(BOOT_MIB));
    await sleep(500);
    assert.equal(await held(), capped.limit / MIB, 'nothing moves by itself');
    const rest = bytes(mebibytes(BOOT_MIB) - capped.limit);
    assert.deepEqual(await program.call('grow', rest / MIB), { ok: true, limit: mebibytes(BOOT_MIB) });
  });

  test('dom0 is direct-mapped: what it balloons out never reaches Xen’s free heap', async () => {
    const driver = systemBalloon();
    const [free, own] = [await freeMib(), driver.current()];
    driver.setTarget(bytes(own - 16 * MIB));
    try {
      for (let tries = 0; driver.current() !== own - 16 * MIB && tries < 600; tries++) await sleep(100);
      assert.equal(driver.current(), own - 16 * MIB, 'its kernel has let go of it');
      assertNear(await freeMib(), free, 'Xen has free');
    } finally {
      driver.setTarget(own);
      for (let tries = 0; driver.current() !== own && tries < 600; tries++) await sleep(100);
    }
  });
});

const freeMib = async (): Promise<number> => Number(await inDom0('xl', 'info', 'free_memory'));
