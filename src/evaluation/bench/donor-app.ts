import { BorrowRefused, type Connection, openConnection } from '../../client/connection.ts';
import { errorMessage } from '../../errors.ts';

/**
 * The donor of the bench: an ordinary application that fills a cache with revocable leases, writes to all of it, and
 * lets go of what it is asked for. Nothing in it knows that it is measured.
 */
export type DonorCall =
  | { readonly call: 'connect'; readonly socket: string }
  /** Holds memory in leases of this size until nothing more is to be had. */
  | { readonly call: 'fill'; readonly leaseBytes: number }
  | { readonly call: 'drop' };

let connection: Connection | undefined;
const cache = new Set<{ release(): void }>();

async function fill(leaseBytes: number): Promise<number> {
  for (;;) {
    try {
      const lease = await connection!.borrow(leaseBytes, {
        deadline: 20,
        revocable: true,
        onReclaim: (request) => {
          cache.delete(request.lease);
          request.lease.release();
        },
      });
      lease.fill(0xa5);
      cache.add(lease);
    } catch (error) {
      if (error instanceof BorrowRefused) return cache.size;
      throw error;
    }
  }
}

async function obey(call: DonorCall): Promise<unknown> {
  if (call.call === 'connect') connection = await openConnection(call.socket);
  else if (call.call === 'fill') return fill(call.leaseBytes);
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
