import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, openConnection } from '../../../../client/connection.ts';
import type { Lease } from '../../../../client/lease.ts';
import { errorMessage, MemtideError } from '../../../../errors.ts';
import { formatBytes } from '../../../../units.ts';
import type { XenCase } from '../case.ts';

/** What was released is zeroed in the background, and what other guests do not use comes over. */
const CLAIMABLE_MILLIS = 30_000;
/** For what was released to be clean again: pieces that are not neighbours would have to be mapped anew. */
const CLEAN_MILLIS = 2000;
const LOOK_MILLIS = 20;
/** An application that leases has leased before: what runs for it is compiled. */
const WARM_UP_LEASES = 200;

/** Memory of dom0, granted to the guest and mapped ahead of need: an application leases it, and nobody in dom0 is woken. */
function lentMemory(): XenCase {
  let connection: Connection | undefined;
  let lease: Lease | undefined;

  /** All that could be claimed so far, at once. */
  let most = 0;

  async function isClaimable(by: number, millis = CLAIMABLE_MILLIS): Promise<boolean> {
    const until = performance.now() + millis;
    while (connection!.claimableBytes < by) {
      if (performance.now() > until) return false;
      await sleep(LOOK_MILLIS);
    }
    return true;
  }

  return {
    name: 'xen-lease',
    about: 'a lease by an application: memory of dom0, granted and mapped ahead of need, touched',
    grows: false,
    async open({ agentSocket }) {
      try {
        connection = await openConnection(agentSocket);
        return undefined;
      } catch (error) {
        return `no agent lends here (xen.arena_mib, in dom0 and in this guest): ${errorMessage(error).split('\n')[0]}`;
      }
    },
    async fits(by) {
      if (await isClaimable(by)) {
        for (let lease = 0; lease < WARM_UP_LEASES && (await isClaimable(by)); lease++) {
          most = Math.max(most, connection!.claimableBytes);
          connection!.tryBorrow(by)?.release();
        }
        return undefined;
      }
      return `dom0 lends ${formatBytes(connection!.claimableBytes)} of the arena here: raise xen.arena_mib`;
    },
    async before(_, __, by) {
      await isClaimable(most, CLEAN_MILLIS);
      if (await isClaimable(by)) return;
      const actual = formatBytes(connection!.claimableBytes);
      throw new MemtideError({ operation: 'wait for memory to lease', expected: formatBytes(by), actual });
    },
    async take(_, __, by) {
      lease = connection!.tryBorrow(by);
    },
    touch(by) {
      if (!lease) throw new MemtideError({ operation: 'lease memory', object: formatBytes(by), actual: 'it was gone' });
      lease.fill(1);
    },
    async after() {
      lease?.release();
      lease = undefined;
    },
    close: () => connection?.close(),
  };
}

export const xenLease = lentMemory();
