import { type Connection, openConnection } from '../../../client/connection.ts';
import type { Lease } from '../../../client/lease.ts';
import { errorMessage } from '../../../errors.ts';
import { CHUNK_BYTES } from '../plan.ts';

/**
 * The donor of the curve: an application whose cache takes whatever is offered to its domain, and lets go of what it is
 * asked for. It asks nobody, so what others are kept ready for is never taken by it.
 */
export type CacheCall =
  | { readonly call: 'connect'; readonly socket: string }
  /** Whether it takes what it is offered. Switched off, it gives all back. */
  | { readonly call: 'keep'; readonly on: boolean };

const LOOK_MILLIS = 2;

let connection: Connection | undefined;
let timer: NodeJS.Timeout | undefined;
const cache = new Set<Lease>();

function takeOffers(): void {
  for (;;) {
    const lease = connection!.tryBorrow(CHUNK_BYTES, {
      revocable: true,
      onReclaim: (request) => {
        cache.delete(request.lease);
        request.lease.release();
      },
    });
    if (!lease) return;
    lease.fill(0xa5);
    cache.add(lease);
  }
}

async function obey(call: CacheCall): Promise<void> {
  if (call.call === 'connect') {
    connection = await openConnection(call.socket);
    return;
  }
  clearInterval(timer);
  if (call.on) {
    timer = setInterval(takeOffers, LOOK_MILLIS);
    return;
  }
  for (const lease of cache) lease.release();
  cache.clear();
}

process.on('message', (call: CacheCall) => {
  obey(call).then(
    () => process.send!({}),
    (error) => process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
