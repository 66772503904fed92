/** The other side of the doorbell contract, in a process or a thread of its own: answers every ring with a ring. */
import { parentPort, workerData } from 'node:worker_threads';
import type { DoorbellRinger, DoorbellWaiter } from '../../src/control/contracts.ts';
import { FifoRinger, FifoWaiter } from '../../src/control/fifo-bell.ts';
import { type BellPlace, FutexRinger, FutexWaiter } from '../../src/control/futex-bell.ts';
import { mapFile, wordsOf } from '../../src/native/mapping.ts';

export type BellKind = 'futex' | 'fifo';

/** Bits that the two sides ring with; `stop` ends the program. */
export const SOURCE = { ping: 3, pong: 200, stop: 255 } as const;

function place(file: string): BellPlace {
  const mapping = mapFile(file, 4096, 'doorbell');
  return { words: wordsOf(mapping), at: 64, address: mapping.address };
}

export const openWaiter = (kind: BellKind, file: string): DoorbellWaiter =>
  kind === 'fifo' ? new FifoWaiter(file) : new FutexWaiter(place(file));
export const openRinger = (kind: BellKind, file: string): DoorbellRinger =>
  kind === 'fifo' ? new FifoRinger(file) : new FutexRinger(place(file));

/** @returns whether the source had rung; clears it. */
export function takeSource(pending: Int32Array, source: number): boolean {
  const bit = 1 << (source & 31);
  const rang = (pending[source >>> 5]! & bit) !== 0;
  pending[source >>> 5]! &= ~bit;
  return rang;
}

/** Until it hears `stop`. */
export function answer(waiter: DoorbellWaiter, ringer: DoorbellRinger): void {
  ringer.ring(SOURCE.pong); // it is there
  for (;;) {
    waiter.wait(250);
    if (takeSource(waiter.pending, SOURCE.ping)) ringer.ring(SOURCE.pong);
    if (takeSource(waiter.pending, SOURCE.stop)) return;
  }
}

const bells = parentPort ? (workerData as string[]) : process.argv.slice(2);
if (bells.length === 3) {
  const [kind, mine, theirs] = bells as [BellKind, string, string];
  answer(openWaiter(kind, mine), openRinger(kind, theirs));
} // else imported
