/**
 * Leases of random sizes and lifetimes on the real thing: agents' threads, a mapped arena, windows over scattered memory.
 * Nobody is refused while the memory that is free for his domain would suffice, and every lease is zeroed and his own.
 * MEMTIDE_LEASES sets how many (3,000; 20,000 in CI), MEMTIDE_SEED which. A hundred thousand of them, each met in the
 * middle of something, with a clock that stands still: test/unit/coordination/fragmentation.test.ts.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BorrowRefused, type Connection, openConnection } from '../../src/client/connection.ts';
import type { Lease } from '../../src/client/lease.ts';
import { BackendService } from '../../src/coordination/backend-service.ts';
import { FrontendService } from '../../src/coordination/frontend-service.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { extentsOf } from '../../src/platforms/arena/extents.ts';
import { bytes, KIB, MIB } from '../../src/units.ts';
import { random } from './random.ts';

const LEASES = Number(process.env.MEMTIDE_LEASES ?? (process.env.CI ? 20_000 : 3_000));
const SEED = Number(process.env.MEMTIDE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const BLOCK = 64 * KIB;
const CHUNK = MIB;
const CHUNKS = 48;
const DOMAINS = ['cluster', 'infotainment'];
const CEILINGS = [CHUNKS, 30];
const DEADLINE_MILLIS = 10_000;

interface Held {
  readonly lease: Lease;
  readonly domain: number;
  readonly stamp: number;
  readonly blocks: readonly number[];
  readonly end: number;
}

let directory: string;
let backend: BackendService;
const fronts: FrontendService[] = [];
const apps: { readonly connection: Connection; readonly domain: number }[] = [];
const held = new Map<Lease, Held>();
const dice = random(SEED);
let stamps = 0;
let reclaims = 0;

before(async () => {
  directory = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'memtide-test-'));
  backend = new BackendService({
    runDir: directory,
    arenaBytes: bytes(CHUNKS * CHUNK),
    chunkBytes: CHUNK,
    hugePages: 'auto',
    lock: false,
    doorbell: 'futex',
    scheduling: {},
    mode: 'hypervisor',
    stuckBackoffMillis: 0, // nobody counts upon a donor that is left alone; here none is
    domains: DOMAINS.map((name, domain) => ({
      name,
      limits: { floorChunks: 0, ceilingChunks: CEILINGS[domain]!, offerChunks: 4 },
    })),
  });
  await backend.start();
  for (const [domain, name] of DOMAINS.entries()) {
    const front = new FrontendService({
      runDir: directory,
      domain: name,
      scheduling: {},
      reserveChunks: 2,
      answer: () => undefined,
      onNotice: () => {},
      onBackendGone: () => {},
    });
    await front.start();
    fronts.push(front);
    for (let session = 0; session < 2; session++) {
      apps.push({ connection: await openConnection(new RunFiles(directory).domain(name).socket), domain });
    }
  }
});

after(async () => {
  for (const { connection } of apps) await connection.close();
  for (const front of fronts) await front.stop();
  await backend.stop();
  fs.rmSync(directory, { recursive: true, force: true });
});

test(`of ${LEASES} random leases none is refused while the free memory would suffice: seed ${SEED}`, async (t) => {
  const sums = { served: 0, refused: 0, scattered: 0, held: 0, rounding: 0, splitFree: 0 };
  for (let step = 0; step < LEASES; step++) {
    for (const one of held.values()) if (one.end <= step) release(one);
    const app = apps[dice(apps.length)]!;
    const revocable = dice(8) === 0;
    const size = randomSize();
    // Several at once take from each other what was free: that is looked at for owners only.
    const rivals = dice(20) === 0 ? [borrow(apps[dice(apps.length)]!, randomSize(), false, step)] : [];
    const before = reclaims;
    const lease = await borrow(app, size, revocable, step);
    if (lease) {
      sums.served++;
      if (lease.window) sums.scattered++;
    } else {
      sums.refused++;
      const wanted = revocable ? Math.ceil(size / CHUNK) * (CHUNK / BLOCK) : Math.ceil(size / BLOCK);
      const free = freeBlocks(app.domain, revocable);
      const judged = rivals.length === 0 && before === reclaims;
      assert.ok(!judged || wanted > free, `step ${step}: refused ${wanted} blocks while ${free} were free`);
    }
    await Promise.all(rivals);
    if (step % 100 === 0) weigh(sums);
  }
  for (const one of held.values()) release(one);
  assert.ok(sums.refused > 0 && sums.scattered > 0, JSON.stringify(sums));
  const share = (part: number): string => `${((100 * part) / sums.held).toFixed(1)} %`;
  t.diagnostic(`${sums.served} served, ${sums.scattered} of them in pieces; ${sums.refused} refused, none falsely`);
  t.diagnostic(
    `internal waste, of what was held: rounding ${share(sums.rounding)}, free in split chunks ${share(sums.splitFree)}`,
  );
});

/** Half are below a chunk, few are large. */
function randomSize(): number {
  const kind = dice(10);
  return 1 + dice(kind < 5 ? CHUNK : kind < 9 ? 4 * CHUNK : 12 * CHUNK);
}

async function borrow(
  { connection, domain }: (typeof apps)[number],
  size: number,
  revocable: boolean,
  step: number,
): Promise<Lease | undefined> {
  const onReclaim = ({ lease }: { readonly lease: Lease }): void => {
    reclaims++;
    const one = held.get(lease);
    if (one) release(one);
  };
  const options = { deadline: DEADLINE_MILLIS, ...(revocable ? { revocable, onReclaim } : {}) };
  try {
    const lease = await connection.borrow(size, options);
    take(lease, domain, step);
    return lease;
  } catch (error) {
    if (!(error instanceof BorrowRefused)) throw error;
    return undefined;
  }
}

/** The first and the last four bytes of every block that lie within the lease. */
function* marksOf(view: Uint8Array): Generator<number> {
  for (let at = 0; at + BLOCK <= view.length; at += BLOCK) {
    yield at;
    yield at + BLOCK - 4;
  }
}

function take(lease: Lease, domain: number, step: number): void {
  const { view } = lease;
  const words = new DataView(view.buffer, view.byteOffset, view.byteLength);
  for (const at of marksOf(view)) assert.equal(words.getUint32(at), 0, `byte ${at} of a new lease`);
  if (step % 64 === 0) assert.ok(view.every((byte) => byte === 0));
  const stamp = ++stamps;
  for (const at of marksOf(view)) words.setUint32(at, stamp);
  const blocks = extentsOf(lease.claimed, CHUNK, BLOCK).flatMap(({ offset, length }) =>
    Array.from({ length: length / BLOCK }, (_, at) => offset / BLOCK + at),
  );
  held.set(lease, { lease, domain, stamp, blocks, end: step + 1 + dice(34) });
}

function release({ lease, stamp }: Held): void {
  const { view } = lease;
  const words = new DataView(view.buffer, view.byteOffset, view.byteLength);
  for (const at of marksOf(view)) assert.equal(words.getUint32(at), stamp, `byte ${at} of a lease that is held`);
  held.delete(lease);
  lease.release();
}

/** What a domain may have, from what is really held and by whom. */
function freeBlocks(domain: number, revocable: boolean): number {
  const users = new Map<number, { readonly domain: number; blocks: number }>();
  for (const one of held.values()) {
    for (const block of one.blocks) {
      const chunk = Math.floor((block * BLOCK) / CHUNK);
      const user = users.get(chunk) ?? { domain: one.domain, blocks: 0 };
      user.blocks++;
      users.set(chunk, user);
    }
  }
  const own = [...users.values()].filter((user) => user.domain === domain);
  const chunks = Math.min(CHUNKS - users.size, CEILINGS[domain]! - own.length);
  const besides = own.reduce((sum, { blocks }) => sum + CHUNK / BLOCK - blocks, 0);
  return chunks * (CHUNK / BLOCK) + (revocable ? 0 : besides);
}

function weigh(sums: { held: number; rounding: number; splitFree: number }): void {
  for (const { blocks } of held.values()) sums.held += blocks.length * BLOCK;
  for (const [domain, front] of fronts.entries()) {
    const waste = front.internalWaste();
    assert.deepEqual(waste.roundingBytes, backend.internalWaste(DOMAINS[domain]!).roundingBytes);
    sums.rounding += waste.roundingBytes;
    sums.splitFree += waste.splitFreeBytes;
  }
}
