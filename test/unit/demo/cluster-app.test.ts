import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BorrowOptions, BorrowRefused } from '../../../src/client/connection.ts';
import type { Lease } from '../../../src/client/lease.ts';
import { ClusterApp, type ClusterLender } from '../../../src/demo/cluster-app.ts';
import { bytes, MIB } from '../../../src/units.ts';
import { VirtualTimer } from '../pressure/virtual-timer.ts';

/** Lends from one heap of bytes, as a domain would whose agent is never late. */
class Heap implements ClusterLender {
  readonly leases = new Set<Lease>();
  readonly revocable: Lease[] = [];
  readonly refusals: number[] = [];
  reports = 0;
  free: number;
  #options = new Map<Lease, BorrowOptions>();

  constructor(free: number) {
    this.free = free;
  }

  get claimableBytes() {
    return bytes(this.free);
  }

  tryBorrow(byteLength: number, options: BorrowOptions = {}): Lease | undefined {
    if (byteLength > this.free) return undefined;
    this.free -= byteLength;
    const lease = {
      byteLength,
      fill: () => 0,
      release: () => {
        if (this.leases.delete(lease)) this.free += byteLength;
      },
    } as unknown as Lease;
    this.leases.add(lease);
    this.#options.set(lease, options);
    if (options.revocable) this.revocable.push(lease);
    return lease;
  }

  async borrow(byteLength: number, options: BorrowOptions = {}): Promise<Lease> {
    const lease = this.tryBorrow(byteLength, options);
    if (!lease) throw new BorrowRefused(byteLength, 'pool-empty', 1);
    return lease;
  }

  report(): void {
    this.reports++;
  }

  reportRefused(byteLength: number): void {
    this.refusals.push(byteLength);
  }

  callBack(lease: Lease): void {
    void this.#options.get(lease)!.onReclaim!({ wantedBytes: lease.byteLength, lease });
  }
}

const SETTINGS = { cacheBytes: 16 * MIB, tileBytes: 2 * MIB, burstBytes: [MIB, 4 * MIB], cacheAsksOthers: false };

/** Lets promises go on between the instants of the virtual clock. */
async function run(timer: VirtualTimer, millis: number): Promise<void> {
  for (let passed = 0; passed < millis; passed += 10) {
    timer.run(10_000);
    for (let turn = 0; turn < 40; turn++) await Promise.resolve();
  }
}

function start(free: number, settings = SETTINGS) {
  const timer = new VirtualTimer();
  const heap = new Heap(free);
  const app = new ClusterApp(heap, settings, timer.clock, timer);
  app.start();
  return { timer, heap, app };
}

describe('the cluster application', () => {
  it('fills its cache with memory that may be called back, and no further', async () => {
    const { timer, heap, app } = start(100 * MIB);
    await run(timer, 400);
    assert.equal(app.cachedBytes, SETTINGS.cacheBytes);
    assert.equal(heap.revocable.length, 8);
  });

  it('leaves room for its own bursts when it fills the cache', async () => {
    const { timer, heap, app } = start(20 * MIB);
    await run(timer, 400);
    assert.equal(app.cachedBytes, 8 * MIB);
    assert.equal(heap.free, 12 * MIB);
  });

  it('lets go of a tile at once when asked, and leaves the memory alone for a second', async () => {
    const { timer, heap, app } = start(100 * MIB);
    await run(timer, 400);
    heap.callBack(heap.revocable[0]!);
    assert.equal(app.cachedBytes, 14 * MIB);
    assert.ok(!heap.leases.has(heap.revocable[0]!));
    await run(timer, 900);
    assert.equal(app.cachedBytes, 14 * MIB);
    await run(timer, 300);
    assert.equal(app.cachedBytes, 16 * MIB);
  });

  it('takes, reports and gives back its bursts', async () => {
    const { timer, heap } = start(12 * MIB);
    await run(timer, 590);
    assert.equal(heap.reports, 3);
    await run(timer, 150);
    assert.equal(heap.free, 12 * MIB, 'nothing is held in the pause');
  });

  it('gives up tiles for a burst, the oldest first', async () => {
    const { timer, heap, app } = start(100 * MIB);
    await run(timer, 400);
    heap.free = 0; // another domain took the rest
    await run(timer, 200);
    assert.deepEqual(heap.refusals, []);
    assert.ok(app.cachedBytes < 16 * MIB);
    assert.ok(!heap.leases.has(heap.revocable[0]!) && heap.leases.has(heap.revocable.at(-1)!));
  });

  it('reports what was refused, and goes on', async () => {
    const { timer, heap } = start(0);
    await run(timer, 590);
    assert.deepEqual(heap.refusals, [MIB, 4 * MIB, MIB]);
  });

  it('gives back everything at the end', async () => {
    const { timer, heap, app } = start(100 * MIB);
    await run(timer, 560);
    app.stop();
    assert.equal(heap.free, 100 * MIB);
    assert.equal(timer.pending, 0);
  });
});
