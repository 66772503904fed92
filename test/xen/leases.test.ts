/** Memory of dom0, lent to applications of the guests: by the agents as they are, which find each other through xenstore. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { MIB } from '../../src/units.ts';
import { domidOf, GUESTS, type Guest, GuestProgram, inDom0, inGuest, ON_BOARD } from './guests.ts';
import type { LeaseCalls } from './lease-program.ts';
import {
  continueDom0Agent,
  killDom0Agent,
  killGuestAgent,
  lentStatus,
  startDom0Agent,
  startGuestAgent,
  stopDom0Agent,
  until,
  untilLent,
} from './lending-agents.ts';
import { afterATurn, isAtRest, type LentStatus } from './lent-status.ts';

const ARENA_MIB = 48;
const SHARE_MIB = ARENA_MIB / 2;
/** Shares are not made equal to the chunk: moving memory costs more than a small difference. */
const LEAST_MIB = SHARE_MIB - ARENA_MIB / 8;
const CHUNK_MIB = 2;
const RESERVE_MIB = 8;
const ROUNDS = 3;

describe('leases over grants', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const [cluster, infotainment] = GUESTS as [Guest, Guest];
  let app: GuestProgram<LeaseCalls>;
  let other: GuestProgram<LeaseCalls>;

  const granted = ({ guests }: LentStatus, { name }: Guest): number =>
    (guests.find((guest) => guest.name === name)?.granted_bytes ?? 0) / MIB;
  const isShared = (status: LentStatus): boolean =>
    [cluster, infotainment].every((guest) => granted(status, guest) >= LEAST_MIB) &&
    granted(status, cluster) + granted(status, infotainment) === ARENA_MIB;
  const letIn = (program: GuestProgram<LeaseCalls>, { name }: Guest): Promise<true> =>
    until('an application is let in', () =>
      program.call('connect', name).then(
        () => true as const,
        () => undefined,
      ),
    );
  /** Takes all that is there to be taken. @returns how much. */
  const takeAll = async (): Promise<number> => {
    let taken = 0;
    while (await app.call('tryBorrow', CHUNK_MIB)) taken += CHUNK_MIB;
    return taken;
  };

  before(async () => {
    app = await GuestProgram.start<LeaseCalls>(cluster, 'lease-program');
    other = await GuestProgram.start<LeaseCalls>(infotainment, 'lease-program');
  });
  after(async () => {
    await killDom0Agent('SIGTERM');
    for (const guest of [cluster, infotainment]) await killGuestAgent(guest, 'TERM');
  });

  test('the agents find each other, and each guest gets its share; no guest shrinks by it', async () => {
    const before = [await xenMib(cluster), await app.call('currentKib'), await xenMib(infotainment)];
    await startDom0Agent();
    await startGuestAgent(cluster);
    await startGuestAgent(infotainment);
    await untilLent('each guest has its share', isShared);
    await until('the guest has mapped it', async () => {
      const status = (await app.call('status', cluster.name).catch(() => undefined)) as GuestStatus | undefined;
      const mapped = status?.leases?.mapped_bytes;
      return mapped !== undefined && mapped >= LEAST_MIB * MIB ? true : undefined;
    });
    await letIn(app, cluster);
    await letIn(other, infotainment);
    assert.deepEqual([await xenMib(cluster), await app.call('currentKib'), await xenMib(infotainment)], before);
  });

  test('a lease is zeroed memory of dom0, and an application keeps what it writes', async () => {
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
    await untilLent('all is clean', ({ guests }) => guests.every((guest) => guest.leased_bytes === 0));
    stopDom0Agent();
    try {
      const claimable = await app.call('claimableMib');
      const taken = await takeAll();
      assert.ok(taken > 0 && taken >= claimable, `${taken} of ${claimable} MiB`);
      assert.equal(await app.call('leasesHold'), true);
      await app.call('releaseAll');
    } finally {
      continueDom0Agent();
    }
  });

  test('memory that nobody uses goes to the guest that uses its own up', async () => {
    const before = await untilLent('shares are equal', isShared);
    let taken = 0;
    await until('it has taken more than its own', async () => {
      taken += await takeAll(); // memory may come while it takes
      return taken > granted(before, cluster) ? true : undefined;
    });
    await untilLent('the other has less', (status) => granted(status, infotainment) < granted(before, infotainment));
    assert.equal(await app.call('leasesHold'), true);
    await app.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });

  test('a program that does not give a grant back: the memory counts as stuck until it does', async () => {
    await other.call('close');
    await other.call('connect', infotainment.name); // it has mapped all of its part now
    const sleeping = other.call('sleepBlocked', 60_000);
    await takeAll();
    await untilLent('what it has mapped is stuck', ({ stuck_bytes }) => stuck_bytes > 0);
    await sleeping;
    await untilLent('it has let go', ({ stuck_bytes }) => stuck_bytes === 0);
    await app.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });

  test('an agent of a guest that is killed: dom0 hears of it, and its successor is lent to', async () => {
    await app.call('close');
    await killGuestAgent(cluster);
    await untilLent('dom0 lends it nothing any more', (status) => granted(status, cluster) === 0);
    await startGuestAgent(cluster);
    await untilLent('its successor has its share', (status) => granted(status, cluster) >= LEAST_MIB);
    await letIn(app, cluster);
    await until('it can lease', async () => ((await app.call('tryBorrow', 4)) ? true : undefined));
    await app.call('releaseAll');
  });

  test('an agent of dom0 that is killed: its successor finds the guests, whose agents live on', async () => {
    await app.call('close');
    await other.call('close');
    await killDom0Agent('SIGKILL');
    await startDom0Agent();
    await untilLent('each guest has its share', isShared);
    await letIn(app, cluster);
    await until('it can lease', async () => ((await app.call('tryBorrow', 4)) ? true : undefined));
    await app.call('releaseAll');
  });

  test('a guest that dies in the middle of a lease gives back everything, and is lent to again once it is re-created', async () => {
    await letIn(other, infotainment);
    await until('it can lease', async () => ((await other.call('tryBorrow', 10)) ? true : undefined));
    await inDom0('xl', 'destroy', infotainment.name);
    await other.abandon();
    await untilLent('all is the other guest’s', (status) => granted(status, cluster) === ARENA_MIB);
    await inDom0('xl', 'create', `/run/share/${infotainment.name}.cfg`);
    await until('the guest runs scripts', () =>
      inGuest(infotainment, 'true').then(
        () => true as const,
        () => undefined,
      ),
    );
    await startGuestAgent(infotainment);
    await untilLent('it has a share again', (status) => granted(status, infotainment) >= LEAST_MIB);
    assert.notEqual(await domidOf(infotainment), 2);
    assert.equal(
      (await untilLent('nobody wrote nonsense', () => true)).guests.every(({ violations }) => violations === 0),
      true,
    );
  });
});

interface GuestStatus {
  readonly leases?: {
    readonly mapped_bytes: number;
    readonly reserve_bytes: number;
    readonly leased_bytes: number;
    readonly figures?: Readonly<Record<string, number>>;
  };
}

/** Xen's own count of a guest's memory. */
async function xenMib({ name }: Guest): Promise<number> {
  const line = (await inDom0('xl', 'list', name)).trim().split('\n').at(-1)!;
  return Number(line.trim().split(/\s+/)[2]);
}

/** Interrupts by event channels that the kernel of dom0 has delivered to programs of memtide. */
function interruptsOfPlane(): number {
  return fs
    .readFileSync('/proc/interrupts', 'latin1')
    .split('\n')
    .filter((line) => /evtchn:/.test(line) && !/evtchn:(?:xen|oxen)/.test(line))
    .flatMap((line) => line.trim().split(/\s+/).slice(1, 3).map(Number))
    .reduce((sum, count) => sum + count, 0);
}
