/** Memory of dom0, lent to applications of the guests: by the agents as they are, which find each other through xenstore. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';
import { MIB } from '../../src/units.ts';
import { inGuest, ON_BOARD } from './guests.ts';
import {
  ARENA_MIB,
  CHUNK_MIB,
  cluster,
  type GuestStatus,
  granted,
  infotainment,
  isShared,
  LEAST_MIB,
  RESERVE_MIB,
  takeAll,
  withLending,
} from './lending.ts';
import { continueDom0Agent, lentStatus, stopDom0Agent, until, untilLent } from './lending-agents.ts';
import { afterATurn, isAtRest } from './lent-status.ts';

const ROUNDS = 3;

describe('leases over grants', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const lending = withLending();

  test('the agents find each other, each guest has its share mapped, and no guest shrinks by it', async () => {
    const { app, heldBefore } = lending();
    await until('the guest has mapped it', async () => {
      const { leases } = (await app.call('status', cluster.name)) as GuestStatus;
      return leases && leases.mapped_bytes >= LEAST_MIB * MIB ? true : undefined;
    });
    assert.deepEqual(await lending().held(), heldBefore);
  });

  test('a lease is zeroed memory of dom0, and an application keeps what it writes', async () => {
    const { app } = lending();
    await until('the pool is offered', async () => ((await app.call('claimableMib')) >= LEAST_MIB ? true : undefined));
    for (let mib = 1; mib <= 4; mib++) assert.ok(await app.call('tryBorrow', mib));
    assert.equal(await app.call('leasesHold'), true);
    assert.equal(await app.call('tryBorrow', ARENA_MIB), undefined, 'more than there is');
    assert.equal(await app.call('releaseAll'), 4);
    await until('it is clean again', async () => ((await app.call('claimableMib')) >= LEAST_MIB ? true : undefined));
    assert.ok(await app.call('tryBorrow', 16));
    assert.equal(await app.call('releaseAll'), 1);
  });

  test('a lease from what is reserved or offered wakes nobody in dom0, by its own count and by that of its kernel', async (t) => {
    const { app, other } = lending();
    const counts = async (): Promise<readonly number[]> => {
      // What the guests' planes had to ring they have rung then, and dom0's plane has heard it.
      for (const [program, { name }] of [[app, cluster] as const, [other, infotainment] as const]) {
        await afterATurn(async () => ((await program.call('status', name)) as GuestStatus).leases!.figures!);
      }
      const figures = await afterATurn(async () => (await lentStatus()).figures);
      return [figures.rungByDomains!, figures.requests!, interruptsOfPlane()];
    };
    for (let round = 0; round < ROUNDS; round++) {
      await untilLent('nothing is under way', (status) => isAtRest(status, 2, RESERVE_MIB * MIB));
      const before = await counts();
      const tiers: Record<string, number> = {};
      for (let lease = 0; lease < 2; lease++) {
        for (const [tier, bytes] of Object.entries((await app.call('tryBorrow', CHUNK_MIB))!)) {
          tiers[tier] = (tiers[tier] ?? 0) + bytes / MIB;
        }
      }
      assert.deepEqual(await counts(), before);
      t.diagnostic(
        `2 leases of 2 MiB, touched, from ${JSON.stringify(tiers)} MiB; rung, asked, interrupted: ${before}`,
      );
      assert.equal(tiers.peer, 0);
      await app.call('releaseAll');
    }
  });

  test('leases up to all that is granted are served while dom0’s agent stands still', async () => {
    const { app } = lending();
    await untilLent('all is clean', ({ guests }) => guests.every((guest) => guest.leased_bytes === 0));
    stopDom0Agent();
    try {
      const claimable = await app.call('claimableMib');
      const taken = await takeAll(app);
      assert.ok(taken > 0 && taken >= claimable, `${taken} of ${claimable} MiB`);
      assert.equal(await app.call('leasesHold'), true);
      await app.call('releaseAll');
    } finally {
      continueDom0Agent();
    }
  });

  test('memory that nobody uses goes to the guest that uses its own up', async () => {
    const { app } = lending();
    const before = await untilLent('shares are equal', isShared);
    let taken = 0;
    await until('it has taken more than its own', async () => {
      taken += await takeAll(app); // memory may come while it takes
      return taken > granted(before, cluster) ? true : undefined;
    });
    await untilLent('the other has less', (status) => granted(status, infotainment) < granted(before, infotainment));
    assert.equal(await app.call('leasesHold'), true);
    await app.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });

  test('a program that does not give a grant back: the memory counts as stuck until it does', async () => {
    const { app, other } = lending();
    await other.call('close');
    await other.call('connect', infotainment.name); // it has mapped all of its part now
    const pid = await other.call('pid');
    await inGuest(infotainment, `kill -STOP ${pid}`); // what is asked back is not given
    try {
      await takeAll(app);
      await untilLent('what it has mapped is stuck', ({ stuck_bytes }) => stuck_bytes > 0);
    } finally {
      await inGuest(infotainment, `kill -CONT ${pid}`);
    }
    await untilLent('it has let go', ({ stuck_bytes }) => stuck_bytes === 0);
    await app.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });
});

/** Interrupts by event channels that the kernel of dom0 has delivered to programs of memtide. */
function interruptsOfPlane(): number {
  return fs
    .readFileSync('/proc/interrupts', 'latin1')
    .split('\n')
    .filter((line) => /evtchn:/.test(line) && !/evtchn:(?:xen|oxen)/.test(line))
    .flatMap((line) => line.trim().split(/\s+/).slice(1, 3).map(Number))
    .reduce((sum, count) => sum + count, 0);
}
