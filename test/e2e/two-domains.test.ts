import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Connection, openConnection } from '../../src/client/connection.ts';
import { BackendService } from '../../src/coordination/backend-service.ts';
import { FrontendService } from '../../src/coordination/frontend-service.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { bytes, MIB } from '../../src/units.ts';

let dir: string;
let backend: BackendService;
const fronts: FrontendService[] = [];
const apps: Connection[] = [];

before(async () => {
  dir = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-test-'));
  const limits = { floorChunks: 0, ceilingChunks: 32, offerChunks: 4 };
  backend = new BackendService({
    runDir: dir,
    arenaBytes: bytes(64 * MIB),
    chunkBytes: 2 * MIB,
    hugePages: 'never',
    lock: false,
    doorbell: 'futex',
    scheduling: {},
    mode: 'hypervisor',
    stuckBackoffMillis: 1000,
    domains: [
      { name: 'cluster', limits },
      { name: 'infotainment', limits },
    ],
  });
  await backend.start();
  for (const domain of ['cluster', 'infotainment']) {
    const front = new FrontendService({
      runDir: dir,
      domain,
      scheduling: {},
      reserveChunks: 2,
      answer: () => undefined,
      onNotice: () => {},
      onBackendGone: () => {},
    });
    await front.start();
    fronts.push(front);
    apps.push(await openConnection(new RunFiles(dir).domain(domain).socket));
  }
});

after(async () => {
  for (const app of apps) await app.close();
  for (const front of fronts) await front.stop();
  await backend.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('a lease is zeroed memory that the other domain cannot claim at the same time', async () => {
  const lease = await apps[0]!.borrow(4 * MIB);
  assert.equal(lease.view.length, 4 * MIB);
  assert.ok(lease.view.every((byte) => byte === 0));
  lease.fill(7);
  lease.release();
  assert.throws(() => lease.view, /it was released/);
});

test('what a domain needs beyond its offers comes from the offers and the revocable leases of the other', async () => {
  const [cluster, infotainment] = apps as [Connection, Connection];
  const cache = [];
  for (let i = 0; i < 20; i++) {
    cache.push(
      await cluster.borrow(2 * MIB, {
        revocable: true,
        onReclaim: ({ lease }) => lease.release(),
      }),
    );
  }
  for (const lease of cache) lease.fill(0xaa);
  const burst = await infotainment.borrow(40 * MIB, { deadline: 2000 });
  assert.ok(
    burst.view.every((byte) => byte === 0),
    'handed over scrubbed',
  );
  assert.ok(burst.tierBytes.peer > 0);
  assert.ok(cache.some((lease) => lease.ended === 'released'));
  console.log(burst.stages, burst.tierBytes, burst.totalMicros, burst.fill(1));
  burst.release();
});
