/** The slow plane's link between real threads: requests that the shared memory does not carry, and agents that follow each other. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openConnection } from '../../src/client/connection.ts';
import { openControlFile } from '../../src/control/control-file.ts';
import { BACK } from '../../src/control/layout.ts';
import type { BackendCall } from '../../src/coordination/agent-protocol.ts';
import { BackendService } from '../../src/coordination/backend-service.ts';
import { FrontendService } from '../../src/coordination/frontend-service.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { bytes, MIB } from '../../src/units.ts';

const DOMAINS = ['cluster', 'infotainment'];
const dir = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-link-'));
const limits = { floorChunks: 0, ceilingChunks: 32, offerChunks: 0 };
const calls: [string, BackendCall][] = [];
let backend: BackendService;
const fronts = new Map<string, FrontendService>();

const makeBackend = (): BackendService =>
  new BackendService({
    runDir: dir,
    arenaBytes: bytes(32 * MIB),
    chunkBytes: 2 * MIB,
    hugePages: 'never',
    lock: false,
    doorbell: 'futex',
    scheduling: {},
    mode: 'split',
    stuckBackoffMillis: 1000,
    domains: DOMAINS.map((name) => ({ name, limits })),
    onCall: (domain, call) => calls.push([domain, call]),
  });

const makeFront = (domain: string, events: { gone?: () => void; other?: () => void } = {}): FrontendService =>
  new FrontendService({
    runDir: dir,
    domain,
    scheduling: {},
    reserveChunks: 0,
    answer: () => undefined,
    onNotice: () => {},
    onBackendGone: () => events.gone?.(),
    onOtherArena: () => events.other?.(),
  });

before(async () => {
  backend = makeBackend();
  await backend.start();
  for (const domain of DOMAINS) {
    fronts.set(domain, makeFront(domain));
    await fronts.get(domain)!.start();
  }
});

after(async () => {
  for (const front of fronts.values()) await front.stop();
  await backend.stop();
  fs.rmSync(dir, { recursive: true, force: true });
});

test('a request is told over the slow link when the heartbeat stands still, and is served once', async () => {
  const { file } = openControlFile(new RunFiles(dir).domain('cluster').control);
  const asker = await openConnection(new RunFiles(dir).domain('cluster').socket);
  const holder = await openConnection(new RunFiles(dir).domain('infotainment').socket);
  const front = fronts.get('cluster')!;
  let letGo = (): void => {};
  for (let chunk = 0; chunk < 16; chunk++) {
    const lease = await holder.borrow(2 * MIB, { revocable: true, onReclaim: () => {} });
    const before = letGo;
    letGo = () => {
      before();
      lease.release();
    };
  }
  const frozen = Atomics.load(file.words, BACK.heartbeat);
  const freezing = setInterval(() => Atomics.store(file.words, BACK.heartbeat, frozen), 1);
  const looking = setInterval(() => {
    Atomics.store(file.words, BACK.heartbeat, frozen);
    front.look();
    if (front.needsHandedOver >= 2) letGo();
  }, 50);
  try {
    const lease = await asker.borrow(8 * MIB, { deadline: 30_000 });
    assert.ok(lease.view.every((byte) => byte === 0));
    assert.ok(front.needsHandedOver >= 2);
    lease.release();
  } finally {
    clearInterval(freezing);
    clearInterval(looking);
    await asker.close();
    await holder.close();
  }
  // Figures are published a few times a second: what is there two publications later is all.
  for (let publication = 0; publication < 2; publication++) {
    const before = backend.figure('polls');
    await until(() => backend.figure('polls') > before);
  }
  assert.equal(backend.figure('requests'), 16 + 1);
  assert.equal(backend.figure('violations'), 0);
});

test('an agent that comes while its predecessor is still there waits for it to end', async () => {
  const predecessor = fronts.get('cluster')!;
  const successor = makeFront('cluster');
  fronts.set('cluster', successor);
  const started = successor.start();
  await until(() => backend.isConnected('cluster'));
  await predecessor.stop();
  await started;
  assert.equal(successor.tell({ op: 'burst', bytes: 1, atMicros: 1, totalMicros: 1 }), true);
  await until(() => calls.some(([domain, { op }]) => domain === 'cluster' && op === 'burst'));
});

test('an agent whose predecessor stays is refused', async () => {
  await assert.rejects(makeFront('cluster').start(), /has an agent already/);
});

test('an agent goes on without its back end, and ends only when the memory that it holds is no more', async () => {
  await fronts.get('infotainment')!.stop();
  let gone = false;
  let lost = false;
  const front = makeFront('infotainment', {
    gone: () => {
      gone = true;
    },
    other: () => {
      lost = true;
    },
  });
  fronts.set('infotainment', front);
  await front.start();
  await backend.stop();
  await until(() => gone);
  assert.equal(front.backendIsThere, false);
  assert.equal(front.tell({ op: 'status' }), false);
  assert.equal(lost, false);
  // The next one takes up the arena, since it is in use.
  backend = makeBackend();
  await backend.start();
  await until(() => front.backendIsThere);
  await backend.stop();
  assert.equal(lost, false);
  fs.rmSync(new RunFiles(dir).arenaInfo);
  backend = makeBackend();
  await backend.start();
  await until(() => lost);
});

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10));
}
