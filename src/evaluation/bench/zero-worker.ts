import { parentPort } from 'node:worker_threads';
import { memset } from '../../native/libc.ts';

/** A thread of the bench that zeroes memory of its own process when asked. */
parentPort!.on('message', ({ address, length }: { address: number; length: number }) => {
  memset(address, 0, length);
  parentPort!.postMessage(0);
});
