/**
 * A thread that reads the data limit of a process as fast as it can until it is told to end, and then says what the lowest
 * was. `workerData`: the process, and a word that is 0, then 1 once it watches, then 2 when it is to end.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readDataLimit } from '../../../src/native/rlimit.ts';

const { pid, word } = workerData as { pid: number; word: Int32Array };
let lowest = Number.POSITIVE_INFINITY;
while (Atomics.load(word, 0) !== 2) {
  const limit = readDataLimit(pid);
  if (limit.ok) lowest = Math.min(lowest, limit.soft);
  if (Atomics.compareExchange(word, 0, 0, 1) === 0) Atomics.notify(word, 0);
}
parentPort!.postMessage(lowest);
