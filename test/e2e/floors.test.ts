/** Floors with real agents and real memory: all in this process, which is three agents and two applications. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { BackendAgent } from '../../src/agent/backend-agent.ts';
import { DomainAgent } from '../../src/agent/domain-agent.ts';
import { checkConfig } from '../../src/config/load.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend } from '../../src/demo/backend-status.ts';
import { type BorrowRefused, type Connection, connect } from '../../src/index.ts';
import { MIB } from '../../src/units.ts';

const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
const runDir = fs.mkdtempSync(path.join(base, 'memtide-floors-'));
const config = checkConfig({
  run_dir: runDir,
  total_mib: 128,
  mode: 'split', // no reserve and no offers: what each domain holds is what it has borrowed
  domains: [
    // 16 MiB private and 32 MiB of the arena: that much nobody takes from it.
    { name: 'guarded', floor_mib: 48, ceiling_mib: 128, budget_mib: 16 },
    { name: 'taker', floor_mib: 16, ceiling_mib: 128, budget_mib: 16 },
  ],
  mqtt: { embedded: { enabled: false } },
});
const common = { config, runDir, log: pino({ level: 'silent' }), stopped: () => {} };
const backend = new BackendAgent(common);
const domains = config.domains.map((domain) => new DomainAgent({ ...common, domain }));
const open: Connection[] = [];

async function application(domain: string): Promise<Connection> {
  const connection = await connect({ domain, runDir });
  open.push(connection);
  return connection;
}

before(async () => {
  await backend.start();
  for (const domain of domains) await domain.start();
});

after(async () => {
  for (const connection of open) await connection.close();
  for (const domain of domains) await domain.stop();
  await backend.stop();
  fs.rmSync(runDir, { recursive: true, force: true });
});

test('a donor above its floor is asked, and one at its floor is not', async () => {
  const guarded = await application('guarded');
  let asked = 0;
  for (let lease = 0; lease < 5; lease++) {
    await guarded.borrow(8 * MIB, {
      revocable: true,
      onReclaim: (request) => {
        asked++;
        request.lease.release();
      },
    });
  }
  const taker = await application('taker');
  // 40 of the 96 MiB are the guarded domain's; the taker has the others.
  await taker.borrow(56 * MIB, { deadline: 5000 });
  assert.equal(asked, 0, 'what is free is taken first');

  await taker.borrow(8 * MIB, { deadline: 5000 });
  assert.equal(asked, 1, 'it held 8 MiB above its floor');

  const revocations = async () => (await askBackend(new RunFiles(runDir).backendSocket)).figures.revocations;
  const before = await revocations();
  await assert.rejects(taker.borrow(2 * MIB, { deadline: 200 }), ({ refusal }: BorrowRefused) => {
    return refusal === 'pool-empty';
  });
  assert.equal(asked, 1);
  assert.equal(await revocations(), before, 'the back end did not even ask');
});
