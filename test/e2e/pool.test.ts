/** The pool that is asked for at the start, with a real back end and real memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB } from '../../src/units.ts';
import { LocalMachine } from './local-machine.ts';

test('the pool begins as large as was asked for, and takes in the rest while no program wants it', async (t) => {
  const machine = new LocalMachine({
    total_mib: 160,
    arena: { pool_mib: 24 },
    policy: { step_cap_mib: 16, token_burst_mib: 16 },
    domains: [{ name: 'a', floor_mib: 16, ceiling_mib: 128, budget_mib: 16 }],
    mqtt: { embedded: { enabled: false } },
  });
  t.after(() => machine.stop());
  await machine.start([]);
  const atStart = await machine.status();
  assert.equal(atStart.arena.byteLength, 24 * MIB);
  // A step of 16 MiB stays outside, for budgets that grow.
  const whole = (160 - 16 - 16) * MIB;
  let pool = atStart.pool_bytes;
  for (let tries = 0; pool < whole && tries < 400; tries++) {
    await sleep(25);
    ({ pool_bytes: pool } = await machine.status());
  }
  assert.equal(pool, whole);
});
