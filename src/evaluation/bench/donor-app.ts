import { BorrowRefused, type Connection, openConnection } from '../../client/connection.ts';
import type { Lease } from '../../client/lease.ts';
import { errorMessage } from '../../errors.ts';
import { CHUNK_BYTES } from './plan.ts';

/**
 * The donor of the bench: an ordinary application that fills a cache with revocable leases, writes to all of it, and
 * lets go of what it is asked for. Nothing in it knows that it is measured.
 */
export type DonorCall =
  | { readonly call: 'connect'; readonly socket: string }
  /** Holds memory in leases of this size, the rest in single chunks, until nothing is left. Answers with what it holds. */
  | { readonly call: 'fill'; readonly leaseBytes: number; readonly revocable: boolean }
  | { readonly call: 'drop' };

/** Long enough for memory that is on its way back. */
const FILL_DEADLINE_MILLIS = 20;

let connection: Connection | undefined;
const cache = new Set<Lease>();

async function fill(leaseBytes: number, revocable: boolean): Promise<number> {
  for (const size of leaseBytes > CHUNK_BYTES ? [leaseBytes, CHUNK_BYTES] : [leaseBytes]) {
    while (await takeOne(size, revocable));
  }
  return connection!.leasedBytes;
}

/** @returns whether there was something to take. */
async function takeOne(leaseBytes: number, revocable: boolean): Promise<boolean> {
  try {
    const lease = await connection!.borrow(leaseBytes, {
      deadline: FILL_DEADLINE_MILLIS,
      revocable,
      onReclaim: (request) => {
        cache.delete(request.lease);
        request.lease.release();
      },
    });
    lease.fill(0xa5);
    cache.add(lease);
    return true;
  } catch (error) {
    if (error instanceof BorrowRefused) return false;
    throw error;
  }
}

async function obey(call: DonorCall): Promise<unknown> {
  if (call.call === 'connect') connection = await openConnection(call.socket);
  else if (call.call === 'fill') return fill(call.leaseBytes, call.revocable);
  else {
    for (const lease of cache) lease.release();
    cache.clear();
  }
  return undefined;
}

process.on('message', (call: DonorCall) => {
  obey(call).then(
    (answer) => process.send!({ answer }),
    (error) => process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
