import { parentPort } from 'node:worker_threads';
import { SCRUB_SLICE_BYTES } from '../../coordination/frontend-plane.ts';
import { memset } from '../../native/libc.ts';
import { callingThread } from '../../native/thread-scheduling.ts';

export interface ZeroOrder {
  readonly address: number;
  readonly length: number;
  readonly cpu: number | undefined;
}

let place: number | undefined;

/**
 * A thread of the bench that zeroes memory of its own process when asked, in the slices that memtide scrubs in: one
 * memset of many MiB writes past the caches, and would leave them in another state.
 */
parentPort!.on('message', ({ address, length, cpu }: ZeroOrder) => {
  if (cpu !== undefined && cpu !== place) {
    place = cpu;
    callingThread.setCpus([cpu]);
  }
  for (let done = 0; done < length; done += SCRUB_SLICE_BYTES) {
    memset(address + done, 0, Math.min(SCRUB_SLICE_BYTES, length - done));
  }
  parentPort!.postMessage(0);
});
