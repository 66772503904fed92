import { BorrowRefused } from '../../client/connection.ts';
import type { Lease } from '../../client/lease.ts';
import { type BenchMachine, CHUNK_BYTES } from './bench-machine.ts';
import type { TimedCase } from './local-cases.ts';

/** What a process can do with memtide: the same work as the local cases, with memory that comes out of the arena. */
const microsSince = (before: number): number => (performance.now() - before) * 1000;

/** How often a claim was served from what the domain had at hand, over all tier 1 cases. */
export interface HitCount {
  hits: number;
  requests: number;
}

/**
 * Claims and touches. Hot: the chunks that were released last. Cold: going round through the whole reserve.
 * The scrub comes after the release, outside the timed part; its CPU time is in `background`.
 */
export function tier1(machine: BenchMachine, cache: 'hot' | 'cold', hits: HitCount): TimedCase {
  let lease: Lease | undefined;
  return {
    name: 'tier1',
    cache,
    fits: (bytes) => bytes <= machine.chunkCount * CHUNK_BYTES,
    async prepare(bytes) {
      machine.app.placeNext(cache === 'hot' ? 'same' : 'next', bytes);
      if (cache === 'cold') return;
      // The chunks were just used, and scrubbed by the front end, as at the end of the burst before.
      const all = machine.app.claimableBytes;
      machine.app.tryBorrow(bytes)?.release();
      await machine.untilClaimable(all);
    },
    sample(bytes) {
      hits.requests++;
      const before = performance.now();
      lease = machine.app.tryBorrow(bytes);
      if (!lease) return Number.NaN;
      lease.fill(1);
      const micros = microsSince(before);
      hits.hits++;
      return micros;
    },
    async finish() {
      const whole = machine.app.claimableBytes + Math.ceil((lease?.byteLength ?? 0) / CHUNK_BYTES) * CHUNK_BYTES;
      lease?.release();
      await machine.untilClaimable(whole);
    },
  };
}

/** The claim alone: compare-and-swaps on the ledger, no touch. */
export function tier1Claim(machine: BenchMachine): TimedCase {
  const whole = tier1(machine, 'hot', { hits: 0, requests: 0 });
  let lease: Lease | undefined;
  return {
    name: 'tier1-claim',
    cache: undefined,
    fits: whole.fits,
    sample(bytes) {
      const before = performance.now();
      lease = machine.app.tryBorrow(bytes);
      return lease ? microsSince(before) : Number.NaN;
    },
    finish: () => releaseAndWait(machine, lease),
  };
}

/** The public call up to a usable view: `await borrow(bytes)`, then its `view`. No touch. */
export function tier1Api(machine: BenchMachine): TimedCase {
  let lease: Lease | undefined;
  return {
    name: 'tier1-api',
    cache: undefined,
    fits: (bytes) => bytes <= machine.chunkCount * CHUNK_BYTES,
    async sample(bytes) {
      const before = performance.now();
      lease = await machine.app.borrow(bytes);
      lease.view[0] = 1;
      return microsSince(before);
    },
    finish: () => releaseAndWait(machine, lease),
  };
}

/** Nothing to claim and nobody to ask: how long until the application knows. */
export function tier1Empty(machine: BenchMachine): TimedCase {
  return {
    name: 'tier1-empty',
    cache: undefined,
    fits: (bytes) => bytes <= machine.chunkCount * CHUNK_BYTES,
    sample(bytes) {
      const before = performance.now();
      try {
        machine.app.borrowSync(bytes, { deadline: 100 }).release();
        return Number.NaN;
      } catch (error) {
        if (!(error instanceof BorrowRefused)) throw error;
        return microsSince(before);
      }
    },
  };
}

/** Everything is in the donor's cache: requester, back end, donor, back end, requester, and the touch. */
export function tier2(machine: BenchMachine, name: 'tier2' | 'tier2-4k'): TimedCase {
  let lease: Lease | undefined;
  return {
    name,
    cache: undefined,
    fits: (bytes) => bytes <= machine.chunkCount * CHUNK_BYTES,
    prepare: (bytes) => machine.fillDonor(bytes),
    sample(bytes) {
      const before = performance.now();
      lease = machine.app.borrowSync(bytes, { deadline: 2000 });
      lease.fill(1);
      return microsSince(before);
    },
    finish: () => lease?.release(),
  };
}

async function releaseAndWait(machine: BenchMachine, lease: Lease | undefined): Promise<void> {
  if (!lease) return;
  const whole = machine.app.claimableBytes + lease.tierBytes.reserve + lease.tierBytes.pool;
  lease.release();
  await machine.untilClaimable(Math.floor(whole / CHUNK_BYTES) * CHUNK_BYTES);
}
