/** The pool that is asked for at the start, with a real back end and real memory. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { BackendAgent } from '../../src/agent/backend-agent.ts';
import { checkConfig } from '../../src/config/load.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend } from '../../src/demo/backend-status.ts';
import { MIB } from '../../src/units.ts';

test('the pool begins as large as was asked for, and takes in the rest while no program wants it', async (t) => {
  const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const runDir = fs.mkdtempSync(path.join(base, 'memtide-pool-'));
  const config = checkConfig({
    run_dir: runDir,
    total_mib: 160,
    arena: { pool_mib: 24 },
    policy: { step_cap_mib: 16, token_burst_mib: 16 },
    domains: [{ name: 'a', floor_mib: 16, ceiling_mib: 128, budget_mib: 16 }],
    mqtt: { embedded: { enabled: false } },
  });
  const backend = new BackendAgent({ config, runDir, log: pino({ level: 'silent' }), stopped: () => {} });
  t.after(async () => {
    await backend.stop();
    fs.rmSync(runDir, { recursive: true, force: true });
  });
  await backend.start();
  const { backendSocket } = new RunFiles(runDir);
  const atStart = await askBackend(backendSocket);
  assert.equal(atStart.arena.byteLength, 24 * MIB);
  // A step of 16 MiB stays outside, for budgets that grow.
  const whole = (160 - 16 - 16) * MIB;
  let pool = atStart.pool_bytes;
  for (let tries = 0; pool < whole && tries < 400; tries++) {
    await sleep(25);
    ({ pool_bytes: pool } = await askBackend(backendSocket));
  }
  assert.equal(pool, whole);
});
