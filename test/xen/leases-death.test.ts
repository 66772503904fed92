/** Who dies while memory of dom0 is leased, and what becomes of the memory: it is accounted for, whoever it was. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MIB } from '../../src/units.ts';
import { inDom0, inGuest, ON_BOARD } from './guests.ts';
import {
  ARENA_MIB,
  cluster,
  granted,
  infotainment,
  isShared,
  LEAST_MIB,
  letIn,
  RESERVE_MIB,
  takeAll,
  withLending,
} from './lending.ts';
import {
  killDom0Agent,
  killGuestAgent,
  lentStatus,
  startDom0Agent,
  startGuestAgent,
  until,
  untilLent,
} from './lending-agents.ts';
import { isAtRest, type LentStatus } from './lent-status.ts';

const isAllThere = (status: LentStatus): boolean =>
  isAtRest(status, 2, RESERVE_MIB * MIB) && isShared(status) && status.owed_bytes === 0;

describe('death while memory is leased', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const lending = withLending();

  test('an application that is killed: what it held is zeroed and there again', async () => {
    const { app } = lending();
    await untilLent('all is there', isAllThere);
    await until('it leases', async () => ((await app.call('tryBorrow', 10)) ? true : undefined));
    const { other } = lending();
    await until('the other one leases', async () => ((await other.call('tryBorrow', 10)) ? true : undefined));
    await inGuest(infotainment, `kill -KILL ${await other.call('pid')}`);
    await other.gone;
    await untilLent('the guest holds nothing in leases', ({ guests }) =>
      guests.every(({ name, leased_bytes }) => name !== infotainment.name || leased_bytes === 0),
    );
    assert.equal(await app.call('leasesHold'), true);
    assert.equal(await app.call('releaseAll'), 1);
    await untilLent('all is there again', isAllThere);
    await lending().startOther();
    await until('its memory is leased again, zeroed', async () =>
      (await lending().other.call('tryBorrow', 16)) ? true : undefined,
    );
    await lending().other.call('releaseAll');
  });

  test('an agent of a guest: its applications keep what they hold, which is stuck until they let go; its successor is lent to', async () => {
    const { app } = lending();
    await untilLent('all is there', isAllThere);
    await until('it leases', async () => ((await app.call('tryBorrow', 10)) ? true : undefined));
    await killGuestAgent(cluster);
    await startGuestAgent(cluster);
    const stuck = await untilLent(
      'what the application has mapped is stuck, and the successor is lent to',
      (status) => status.stuck_bytes >= 10 * MIB && granted(status, cluster) > 0,
    );
    const lent = granted(stuck, cluster) + granted(stuck, infotainment) + stuck.owed_bytes / MIB;
    assert.ok(lent <= ARENA_MIB, `${lent} MiB are lent or owed`);
    assert.equal(await app.call('leasesHold'), true);
    await app.call('close');
    await untilLent('all is there again', isAllThere);
    await letIn(app, cluster);
  });

  test('an agent of a guest whose applications hold nothing: dom0 hears of it at once', async () => {
    const { app } = lending();
    await app.call('close');
    await killGuestAgent(cluster);
    await untilLent('dom0 lends it nothing any more', (status) => granted(status, cluster) === 0);
    await startGuestAgent(cluster);
    await untilLent('its successor has its share', isAllThere);
    await letIn(app, cluster);
  });

  test('an agent of dom0: leases hold, and its successor lends to guests whose agents live on', async () => {
    const { app, other } = lending();
    await until('it leases', async () => ((await app.call('tryBorrow', 10)) ? true : undefined));
    await killDom0Agent('SIGKILL');
    await startDom0Agent();
    await untilLent('each guest has its share of other memory', isShared);
    assert.equal(await app.call('leasesHold'), true);
    await app.call('close');
    await other.call('close');
    await Promise.all([letIn(app, cluster), letIn(other, infotainment)]);
    await until('it can lease', async () => ((await app.call('tryBorrow', 4)) ? true : undefined));
    await app.call('releaseAll');
    await untilLent('all is there', isAllThere);
  });

  test('a guest, with leases out and memory that it does not give back: all is free at once, and it is lent to again once it is re-created', async () => {
    const { app, other } = lending();
    await until('it leases', async () => ((await other.call('tryBorrow', 4)) ? true : undefined));
    await inGuest(infotainment, `kill -STOP ${await other.call('pid')}`);
    await until('it is asked for what it has mapped', async () => {
      await takeAll(app);
      return (await lentStatus()).stuck_bytes > 0 ? true : undefined;
    });
    await inDom0('xl', 'destroy', infotainment.name);
    await other.abandon();
    await untilLent(
      'all is the other guest’s, and nothing is owed',
      (status) => granted(status, cluster) === ARENA_MIB && status.owed_bytes === 0,
    );
    assert.equal(await app.call('leasesHold'), true);
    await app.call('releaseAll');
    await inDom0('xl', 'create', `/run/share/${infotainment.name}.cfg`);
    await until('the guest runs scripts', () =>
      inGuest(infotainment, 'true').then(
        () => true as const,
        () => undefined,
      ),
    );
    await startGuestAgent(infotainment);
    const { guests } = await untilLent('it has a share again', (status) => granted(status, infotainment) >= LEAST_MIB);
    assert.deepEqual(
      guests.map(({ violations }) => violations),
      [0, 0],
    );
  });
});
