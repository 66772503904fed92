import type { Lease } from '../../client/lease.ts';
import type { BenchMachine } from './bench-machine.ts';
import { CHUNK_BYTES } from './plan.ts';
import type { Cache } from './result.ts';
import type { SocketClient, SocketLease } from './socket-client.ts';
import { microsSince, type TimedCase } from './timed-case.ts';

/** What a process can do with memtide and nobody's help: the same work as the local cases, with arena memory. */

/** Running totals over all tier 1 cases. */
export interface Tier1Tally {
  requests: number;
  /** Requests that were served from what the domain had at hand. */
  hits: number;
  /** What was released, and scrubbed in the background. */
  releasedBytes: number;
}

export interface Tier1Setting {
  readonly machine: BenchMachine;
  readonly tally: Tier1Tally;
  readonly coldBytes: number;
  /** Leaves nothing of before in the caches. */
  readonly evict: () => void;
}

/**
 * Claims and touches. Hot: the chunks that were released last. Cold: going round through the whole reserve.
 * The scrub comes after the release, outside the timed part; its CPU time is in `background`.
 */
export function tier1(setting: Tier1Setting, cache: Cache): TimedCase {
  const { machine, tally, coldBytes, evict } = setting;
  let lease: Lease | undefined;
  return {
    name: 'tier1',
    cache,
    fits: (bytes) => bytes <= machine.arenaBytes,
    async prepare(bytes) {
      machine.app.placeNext(cache === 'hot' ? 'same' : 'next', bytes);
      if (cache === 'cold') {
        // Small leases use little of each chunk: going round through the reserve would stay within the caches.
        if (machine.chunkCount * Math.min(bytes, CHUNK_BYTES) < coldBytes) evict();
        return;
      }
      // The chunks were just used, and scrubbed by the front end, as at the end of the burst before.
      await giveBack(setting, machine.app.tryBorrow(bytes));
    },
    sample(bytes) {
      const before = performance.now();
      lease = machine.app.tryBorrow(bytes);
      lease?.fill(1);
      const micros = microsSince(before);
      return count(tally, lease) ? micros : Number.NaN;
    },
    finish: () => giveBack(setting, lease),
  };
}

/** The claim alone: compare-and-swaps on the ledger, no touch. */
export function tier1Claim(setting: Tier1Setting): TimedCase {
  const { machine, tally } = setting;
  let lease: Lease | undefined;
  return {
    name: 'tier1-claim',
    fits: (bytes) => bytes <= machine.arenaBytes,
    sample(bytes) {
      const before = performance.now();
      lease = machine.app.tryBorrow(bytes);
      const micros = microsSince(before);
      return count(tally, lease) ? micros : Number.NaN;
    },
    finish: () => giveBack(setting, lease),
  };
}

/** The public call up to a usable view: `await borrow(bytes)`, its `view`, one byte written. */
export function tier1Api(setting: Tier1Setting): TimedCase {
  const { machine, tally } = setting;
  let lease: Lease | undefined;
  return {
    name: 'tier1-api',
    fits: (bytes) => bytes <= machine.arenaBytes,
    async sample(bytes) {
      const before = performance.now();
      lease = await machine.app.borrow(bytes);
      lease.view[0] = 1;
      const micros = microsSince(before);
      return count(tally, lease.tierBytes.peer === 0 ? lease : undefined) ? micros : Number.NaN;
    },
    finish: () => giveBack(setting, lease),
  };
}

/**
 * What a program in another language waits for: from writing the request to the agent's socket until the address is
 * known (the arena is mapped once), one byte written. The request is answered by the agent's main thread.
 */
export function tier1Socket(setting: Tier1Setting, client: SocketClient): TimedCase {
  const { machine, tally } = setting;
  let lease: SocketLease | undefined;
  return {
    name: 'tier1-socket',
    fits: (bytes) => bytes <= machine.arenaBytes,
    sample(bytes) {
      const before = performance.now();
      lease = client.borrow(bytes);
      if (lease) client.touch(lease);
      const micros = microsSince(before);
      return count(tally, lease?.atHand ? lease : undefined) ? micros : Number.NaN;
    },
    finish: () => giveBack(setting, lease && { byteLength: lease.byteLength, release: () => client.release(lease!) }),
  };
}

function count(tally: Tier1Tally, lease: object | undefined): boolean {
  tally.requests++;
  if (lease) tally.hits++;
  return lease !== undefined;
}

/** Releases, and waits until the memory has been scrubbed and is there to be claimed again. */
async function giveBack(
  { machine, tally }: Tier1Setting,
  lease: Pick<Lease, 'byteLength' | 'release'> | undefined,
): Promise<void> {
  if (!lease) return;
  const whole = machine.app.claimableBytes + Math.ceil(lease.byteLength / CHUNK_BYTES) * CHUNK_BYTES;
  tally.releasedBytes += lease.byteLength;
  lease.release();
  await machine.untilClaimable(whole);
}
