/** The other side of the doorbell contract, in a process or a thread of its own: answers every ring with a ring. */
import { parentPort, workerData } from 'node:worker_threads';
import type { DoorbellRinger, DoorbellWaiter } from '../../src/control/contracts.ts';
import { FifoRinger, FifoWaiter } from '../../src/control/fifo-bell.ts';
import { FutexRinger, FutexWaiter } from '../../src/control/futex-bell.ts';
import { mapFile, wordsOf } from '../../src/native/mapping.ts';

export type BellKind = 'futex' | 'fifo';

/** Bits that the two sides ring with; `stop` ends the program. */
export const SOURCE = { ping: 3, pong: 200, stop: 255 } as const;

export function openBell(kind: BellKind, file: string): { ringer: DoorbellRinger; waiter: DoorbellWaiter } {
  if (kind === 'fifo') return { ringer: new FifoRinger(file), waiter: new FifoWaiter(file) };
  const mapping = mapFile(file, 4096, 'doorbell');
  const place = { words: wordsOf(mapping), at: 64, address: mapping.address };
  return { ringer: new FutexRinger(place), waiter: new FutexWaiter(place) };
}

/** @returns whether the source had rung; clears it. */
export function takeSource(pending: Int32Array, source: number): boolean {
  const bit = 1 << (source & 31);
  const rang = (pending[source >>> 5]! & bit) !== 0;
  pending[source >>> 5]! &= ~bit;
  return rang;
}

function answer([kind, mine, theirs]: readonly string[]): void {
  const { waiter } = openBell(kind as BellKind, mine!);
  const { ringer } = openBell(kind as BellKind, theirs!);
  ringer.ring(SOURCE.pong); // it is there
  for (;;) {
    waiter.wait(250);
    if (takeSource(waiter.pending, SOURCE.ping)) ringer.ring(SOURCE.pong);
    if (takeSource(waiter.pending, SOURCE.stop)) return;
  }
}

const bells = parentPort ? (workerData as string[]) : process.argv.slice(2);
if (bells.length === 3) answer(bells); // else imported
