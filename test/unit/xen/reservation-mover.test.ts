/** Reservations of guests, from the programs' use to Xen's books, on a simulated machine. On the real one: test/xen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytes, MIB } from '../../../src/units.ts';
import { BOOT_MIB, FLOOR_MIB, KEEP_MIB, type SimulatedGuest, XenMachine } from './xen-machine.ts';

const mib = (count: number): number => Math.round(count / MIB);

const assertPromisesAreCovered = (machine: XenMachine): void => {
  const covered = machine.free - KEEP_MIB * MIB;
  assert.ok(machine.promised <= covered, `${mib(machine.promised)} MiB promised, ${mib(covered)} MiB there`);
};
const budgets = (machine: XenMachine, name: string) =>
  machine.guest(name).notices.flatMap((notice) => (notice.notice === 'budget' ? [notice.changeBytes] : []));

test('hypervisor: guests at ease are asked until the pool is filled, and what is free is promised to those that may need it', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB + KEEP_MIB });
  await machine.run(5000);
  assert.ok(machine.free - KEEP_MIB * MIB >= 32 * MIB, `${mib(machine.free)} MiB free`);
  assertPromisesAreCovered(machine);
  for (const { balloon } of machine.guests) assert.ok(balloon.held >= FLOOR_MIB * MIB);
});

test('hypervisor: a program that knows nothing finds memory that has come ahead of it, and nobody in dom0 was asked', async () => {
  const machine = new XenMachine();
  const recipient = machine.guest('infotainment');
  recipient.startAt(140 * MIB);
  await machine.run(5000);
  const before = budgets(machine, 'infotainment').length;
  const held = recipient.balloon.held;
  machine.rise('infotainment', 100 * 1024); // 100 MiB in a second
  await machine.run(1000);
  machine.rise('infotainment', 0);
  assert.equal(recipient.missedBytes, 0);
  assert.ok(recipient.balloon.held > held, 'it has grown');
  assert.ok(recipient.reservation.own.grown > 0);
  assert.equal(budgets(machine, 'infotainment').length, before, 'by itself');
});

test('sabotage: without growing ahead the same program misses memory', async () => {
  const machine = new XenMachine();
  const recipient = machine.guest('infotainment');
  recipient.startAt(140 * MIB);
  await machine.run(5000);
  recipient.balloon.cap = recipient.balloon.held;
  machine.setCap = async () => true;
  machine.rise('infotainment', 100 * 1024);
  await machine.run(1500);
  assert.ok(recipient.missedBytes > 0);
});

test('hypervisor: what exceeds the pool comes from the other guest, and is not missed by its programs', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB - 96 + KEEP_MIB });
  machine.guest('cluster').startAt(160 * MIB);
  await machine.run(8000);
  machine.rise('cluster', 8 * 1024);
  await machine.run(15_000);
  machine.rise('cluster', 0);
  await machine.run(3000);
  assert.equal(machine.guest('cluster').missedBytes, 0);
  assert.ok(machine.guest('cluster').balloon.held > 220 * MIB, `${mib(machine.guest('cluster').balloon.held)} MiB`);
  assert.ok(machine.guest('infotainment').balloon.held < BOOT_MIB * MIB);
  assert.ok(budgets(machine, 'infotainment').every((change) => change < 0));
});

/** Both hold 200 MiB, with balloons as slow as a busy emulator's: 20 ms a MiB; little is free. */
const slowMachine = (): XenMachine => {
  const machine = new XenMachine({ totalMib: 400 + KEEP_MIB });
  for (const guest of machine.guests) {
    guest.startAt(200 * MIB);
    guest.balloon.batchMillis = 40;
  }
  return machine;
};

/** A guest that has just been asked for 64 MiB, and whose programs then take 100 MiB in a second. */
const donateAndRise = async (donor: SimulatedGuest, machine: XenMachine): Promise<void> => {
  donor.balloon.used = 80 * MIB;
  await machine.run(1100); // until they have reported
  donor.hear({ notice: 'budget', id: 1_000_000, changeBytes: -64 * MIB });
  await machine.run(100);
  machine.rise(donor.name, 100 * 1024);
  await machine.run(1000);
  machine.rise(donor.name, 0);
};

test('a donor whose own programs begin to rise keeps what it has not yet given', async () => {
  const machine = slowMachine();
  const donor = machine.guest('infotainment');
  let least = donor.balloon.held;
  machine.onMillisecond = () => {
    least = Math.min(least, donor.balloon.held);
  };
  await donateAndRise(donor, machine);
  assert.equal(donor.missedBytes, 0);
  assert.ok(least > (200 - 48) * MIB, `${mib(least)} MiB at least`);
});

test('sabotage: a donor that looks no more at its own programs while it gives makes them miss memory', async () => {
  const machine = slowMachine();
  const donor = machine.guest('infotainment');
  const { hear } = donor;
  donor.hear = (notice) => {
    hear.call(donor, notice);
    if (notice.notice === 'budget') donor.reservation.rebalance = () => {};
  };
  await donateAndRise(donor, machine);
  assert.ok(donor.missedBytes > 0);
});

test('to have kept what its own programs need is no miss: the donor is not left alone for it', async () => {
  const machine = slowMachine();
  const donor = machine.guest('infotainment');
  donor.balloon.used = 80 * MIB;
  machine.guest('cluster').balloon.used = 170 * MIB;
  await machine.run(1100);
  assert.ok(
    budgets(machine, 'infotainment').some((change) => change < 0),
    'it is asked',
  );
  machine.rise('infotainment', 160 * 1024);
  await machine.run(600);
  machine.rise('infotainment', 0);
  await machine.run(500);
  assert.equal(machine.mover.status().guests.find(({ name }) => name === 'infotainment')!.stuck, false);
  assert.deepEqual(machine.overstated, []);
});

test('where both want more than there is, each has its use and the same share of its reserve, whoever came first', async () => {
  const machine = slowMachine();
  for (const { balloon } of machine.guests) balloon.used = 100 * MIB;
  await machine.run(1100);
  for (const { name } of machine.guests) {
    machine.rise(name, 128 * 1024);
    await machine.run(500);
    machine.rise(name, 0);
    await machine.run(3000);
  }
  const spare = machine.guests.map(({ balloon }) => (balloon.held - balloon.used) / MIB);
  assert.ok(Math.abs(spare[0]! - spare[1]!) <= 12, `${spare.map(Math.round)} MiB are available`);
  assert.deepEqual(
    machine.guests.map(({ missedBytes }) => missedBytes),
    [0, 0],
  );
});

for (const [figure, lie] of [
  ['uses', { usedBytes: 2 ** 50 }],
  ['wants', { wantedBytes: 2 ** 50 }],
] as const) {
  test(`a guest that says it ${figure} more than there is leaves the other its part`, async () => {
    const machine = slowMachine();
    const honest = machine.guest('cluster');
    const report = machine.mover.report.bind(machine.mover);
    machine.mover.report = (name, told) => report(name, name === 'infotainment' ? { ...told, ...lie } : told);
    for (const { balloon } of machine.guests) balloon.used = 100 * MIB;
    await machine.run(1100);
    machine.rise('cluster', 128 * 1024);
    await machine.run(500);
    machine.rise('cluster', 0);
    await machine.run(3000);
    const spare = honest.balloon.held - honest.balloon.used;
    assert.ok(spare >= 24 * MIB, `${mib(spare)} MiB are available`);
    assert.equal(honest.missedBytes, 0);
  });
}

test('a balloon that ran against its entitlement goes on when that is raised, and does not sleep over it', async () => {
  const machine = slowMachine();
  const guest = machine.guest('cluster');
  await machine.run(1100);
  const { setCap } = machine;
  machine.setCap = async () => true; // it is told, and Xen does not know of it yet
  machine.total += 64 * MIB;
  guest.balloon.used = 190 * MIB;
  await machine.run(1500);
  assert.ok(guest.balloon.held <= 202 * MIB, 'Xen refuses');
  machine.setCap = setCap;
  machine.total += 32 * MIB; // others are told too, and the goal is another one
  await machine.run(900);
  assert.ok(guest.balloon.held >= 210 * MIB, `${mib(guest.balloon.held)} MiB`);
});

test('with each cap Xen’s books are told where the guest is on its way to', async () => {
  const machine = slowMachine();
  const guest = machine.guest('infotainment');
  guest.balloon.used = 80 * MIB;
  guest.hear = (notice) => guest.notices.push(notice);
  machine.guest('cluster').balloon.used = 170 * MIB;
  await machine.run(1100);
  const asked = budgets(machine, 'infotainment');
  assert.equal(asked.length, 1);
  const goals: (number | undefined)[] = [];
  const { setCap } = machine;
  machine.setCap = (domid, cap, goal) => {
    if (domid === guest.domid) goals.push(goal);
    return setCap.call(machine, domid, cap);
  };
  guest.balloon.setTarget(bytes(190 * MIB)); // a part of the way
  await machine.run(300);
  assert.deepEqual([...new Set(goals)], [200 * MIB + asked[0]!]);
});

test('split: no guest may grow by itself; first the donor frees, then the recipient is let grow', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB - 100 + KEEP_MIB, mode: 'split' });
  const [donor, recipient] = [machine.guest('cluster'), machine.guest('infotainment')];
  recipient.startAt(156 * MIB);
  const answers: number[] = [];
  const moved = machine.mover.moved.bind(machine.mover);
  machine.mover.moved = (name, told) => {
    if (name === 'infotainment' && told.changeBytes >= 0) answers.push(told.changeBytes);
    return moved(name, told);
  };
  await machine.run(200);
  assert.ok(recipient.balloon.cap <= recipient.balloon.held, 'nothing beyond what it holds');
  machine.rise('infotainment', 6 * 1024);
  let order: string[] = [];
  machine.onMillisecond = () => {
    if (donor.balloon.held < BOOT_MIB * MIB) order.push('donor');
    if (recipient.balloon.held > 156 * MIB) order.push('recipient');
    order = order.slice(0, 1);
  };
  await machine.run(10_000);
  assert.equal(order[0], 'donor');
  assert.ok(recipient.balloon.held > 156 * MIB, `${mib(recipient.balloon.held)} MiB`);
  const letGrow = budgets(machine, 'infotainment').filter((change) => change > 0);
  assert.ok(letGrow.length > 0, 'it was let grow');
  assert.deepEqual(answers, letGrow, 'and grew as it was let');
  assert.deepEqual(recipient.reservation.own, { grown: 0, grown_bytes: 0, refused: 0 });
  assert.ok(
    budgets(machine, 'cluster').some((change) => change < 0),
    'the donor was asked',
  );
});

test('a donor that claims to have given what Xen does not have is found out, and left alone', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB + KEEP_MIB, names: ['cluster'] });
  const liar = machine.guest('cluster');
  const real = liar.hear.bind(liar);
  liar.hear = (notice) => {
    if (notice.notice !== 'budget') return real(notice);
    const { id, changeBytes } = notice;
    machine.mover.moved('cluster', { op: 'moved', id, changeBytes, limitBytes: liar.balloon.held + changeBytes });
  };
  machine.total = BOOT_MIB * MIB + KEEP_MIB * MIB; // nothing is free: the pool has to be filled
  await machine.run(2000);
  assert.ok(machine.overstated.includes('cluster'));
  const [status] = machine.mover.status().guests;
  assert.equal(status!.stuck, true);
  assert.ok(liar.balloon.cap <= liar.balloon.held, 'it may not grow on what it owes');
});

test('a donor that does nothing is stuck after its deadline, and found again when it delivers', async () => {
  const machine = new XenMachine({
    totalMib: BOOT_MIB + KEEP_MIB,
    names: ['cluster'],
    config: {
      policy: { stuck_after_misses: 1, stuck_backoff_s: 2, step_cap_mib: 64 },
      xen: { keep_free_mib: KEEP_MIB, pool_mib: 32, balloon_deadline_ms: 1000 },
    },
  });
  const guest = machine.guest('cluster');
  const real = guest.hear.bind(guest);
  guest.hear = (notice) => {
    if (notice.notice !== 'budget') real(notice);
  };
  await machine.run(2000);
  assert.equal(machine.mover.status().guests[0]!.stuck, true);
  assert.equal(machine.overstated.length, 0, 'it has claimed nothing');
  guest.hear = real;
  await machine.run(6000);
  assert.equal(machine.mover.status().guests[0]!.stuck, false);
  assert.ok(machine.free >= (KEEP_MIB + 32) * MIB);
});

test('room for a guest that is to be created is collected, kept from others, and used', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB + KEEP_MIB });
  for (const { balloon } of machine.guests) balloon.used = 60 * MIB;
  await machine.run(3000);
  const there = machine.mover.makeRoom(200 * MIB, 20_000_000, 60_000_000);
  await machine.run(15_000);
  assert.equal(await there, true);
  assert.ok(machine.free - KEEP_MIB * MIB >= 200 * MIB, `${mib(machine.free)} MiB free`);
  // The others want it, and do not get it.
  machine.rise('cluster', 20 * 1024);
  await machine.run(4000);
  machine.rise('cluster', 0);
  assert.ok(machine.free - KEEP_MIB * MIB >= 200 * MIB, `${mib(machine.free)} MiB free`);
});

test('room that cannot be had is refused at its deadline, and nobody is held back by it afterwards', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB + KEEP_MIB });
  const there = machine.mover.makeRoom(1024 * MIB, 2_000_000, 1_000_000);
  await machine.run(2500);
  assert.equal(await there, false);
  await machine.run(1500);
  assert.ok(machine.mover.poolBytes >= 0);
});

for (const named of [true, false]) {
  const whom = named ? 'a guest of that name' : 'the next guest';
  test(`room is there until ${whom} comes, and not for anybody who was there before`, async () => {
    const machine = new XenMachine({ totalMib: 2 * BOOT_MIB + KEEP_MIB });
    machine.destroy('infotainment');
    const roomIs = (): boolean => machine.mover.poolBytes < machine.free - (KEEP_MIB + 150) * MIB;
    const there = machine.mover.makeRoom(200 * MIB, 2_000_000, 60_000_000, named ? 'infotainment' : undefined);
    await machine.run(1000); // all of them are counted for the first time
    assert.equal(await there, true);
    assert.ok(roomIs());
    if (named) {
      machine.destroy('cluster');
      await machine.run(200);
      machine.create('cluster', 8);
      await machine.run(200);
      assert.ok(roomIs(), 'another one has started anew');
    }
    machine.create('infotainment', 9).startAt(200 * MIB);
    await machine.run(100);
    assert.equal(roomIs(), false);
  });
}

test('room is refused at its deadline when Xen does not answer, too', async () => {
  const machine = new XenMachine();
  machine.freeBytes = async () => {
    throw new Error('Xen does not answer');
  };
  const there = machine.mover.makeRoom(1024 * MIB, 100_000, 0);
  machine.clock.advanceMicros(100_000);
  await assert.rejects(machine.mover.tick(), /Xen does not answer/);
  assert.equal(await there, false);
});

test('a guest that is created anew begins anew: nothing that was asked of the dead one is held against it', async () => {
  const machine = new XenMachine({
    totalMib: 2 * BOOT_MIB + KEEP_MIB,
    config: { xen: { keep_free_mib: KEEP_MIB, pool_mib: 32, balloon_deadline_ms: 1000 } },
  });
  const stuck = () => machine.mover.status().guests.map((guest) => guest.stuck);
  machine.guest('infotainment').hear = () => {};
  machine.guest('cluster').balloon.used = 250 * MIB;
  await machine.run(2000);
  assert.deepEqual(stuck(), [false, true], 'it has missed its deadline');
  machine.destroy('infotainment');
  await machine.run(300);
  assert.equal(machine.mover.limitOf('infotainment'), undefined);
  machine.create('infotainment', 9);
  await machine.run(100);
  assert.deepEqual(stuck(), [false, false]);
  machine.guest('cluster').balloon.used = 100 * MIB;
  await machine.run(5000);
  assert.equal(machine.mover.limitOf('infotainment'), machine.guest('infotainment').balloon.held);
  assertPromisesAreCovered(machine);
});

test('a back end that is started anew takes up what Xen has: nobody loses what it holds, and no more is promised than there is', async () => {
  const machine = new XenMachine({ totalMib: 2 * BOOT_MIB - 96 + KEEP_MIB });
  machine.guest('cluster').startAt(160 * MIB);
  machine.rise('infotainment', 4 * 1024);
  await machine.run(6000); // moves are under way
  const held = machine.guests.map(({ balloon }) => balloon.held);
  const caps = machine.guests.map(({ balloon }) => balloon.cap);
  machine.restartBackend();
  assert.deepEqual(
    machine.guests.map(({ balloon }) => balloon.cap),
    caps,
    'until it has looked, caps are Xen’s',
  );
  machine.onMillisecond = () => assert.ok(machine.promised <= machine.free - KEEP_MIB * MIB);
  await machine.run(1000);
  for (const [at, { balloon }] of machine.guests.entries()) assert.ok(balloon.held >= held[at]! - 16 * MIB);
  machine.rise('infotainment', 0);
  await machine.run(20_000);
  const { guests, pool_bytes } = machine.mover.status();
  assert.deepEqual(
    guests.map(({ held_bytes }) => held_bytes),
    machine.guests.map(({ balloon }) => balloon.held),
  );
  assert.ok(pool_bytes >= 24 * MIB, `${mib(pool_bytes)} MiB in the pool`);
});

test('a guest whose agent has died keeps what it holds and grows no further; with the next report it may again', async () => {
  const machine = new XenMachine();
  const [cluster] = machine.guests as [SimulatedGuest];
  cluster.startAt(160 * MIB);
  await machine.run(3000);
  assert.ok(cluster.balloon.cap > cluster.balloon.held);
  const tell = machine.mover.report.bind(machine.mover);
  machine.mover.report = (name, report) => name !== 'cluster' && tell(name, report);
  machine.mover.met('cluster');
  await machine.run(200);
  assert.equal(cluster.balloon.cap, cluster.balloon.held);
  machine.mover.report = tell;
  await machine.run(1200);
  assert.ok(cluster.balloon.cap > cluster.balloon.held);
});

test('whatever programs do, no more is promised than there is, no guest falls below its floor, and Xen never runs dry', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          guest: fc.constantFrom('cluster', 'infotainment'),
          usedMib: fc.integer({ min: 40, max: 250 }),
          forMillis: fc.integer({ min: 50, max: 2000 }),
          mode: fc.constantFrom('split' as const, 'hypervisor' as const),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      async (steps) => {
        const machine = new XenMachine({ totalMib: 2 * BOOT_MIB - 64 });
        for (const guest of machine.guests) guest.startAt(200 * MIB);
        await machine.run(100);
        machine.onMillisecond = () => {
          assertPromisesAreCovered(machine);
          assert.ok(machine.free >= 0);
          for (const { balloon } of machine.guests) assert.ok(balloon.held >= FLOOR_MIB * MIB - MIB);
        };
        for (const { guest, usedMib, forMillis, mode } of steps) {
          machine.mode = mode;
          machine.guest(guest).use(usedMib * MIB);
          await machine.run(forMillis);
        }
      },
    ),
    { numRuns: 40 },
  );
});
