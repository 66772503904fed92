import { futexWait, futexWake } from '../native/libc.ts';
import { timespecOf } from '../native/scratch.ts';

/**
 * The bare futex ping-pong between two threads of two processes: what the operating system charges for waking the other
 * side and being woken, with no protocol around it. The handshake is measured against this.
 */
const ROUND_TIMEOUT_MILLIS = 100;

/**
 * @param begins whether this side serves first; the word must be 0 when both start.
 * @param roundTripMicros one entry a round, filled by the side that begins.
 * @returns rounds completed; fewer than `count` when the other side went away.
 */
export function futexPingPong(
  place: { readonly words: Int32Array; readonly address: number },
  at: number,
  count: number,
  begins: boolean,
  roundTripMicros?: Float64Array,
  now: () => number = () => performance.now() * 1000,
): number {
  const { words } = place;
  const address = place.address + at * 4;
  for (let round = 0; round < count; round++) {
    const mine = begins ? 2 * round + 1 : 2 * round + 2;
    const awaited = begins ? 2 * round + 2 : 2 * round + 1;
    const started = begins ? now() : 0;
    if (begins) {
      Atomics.store(words, at, mine);
      futexWake(address, 1);
    }
    for (let tries = 0; Atomics.load(words, at) < awaited; tries++) {
      if (tries > 10) return round;
      futexWait(address, awaited - 1, timespecOf(ROUND_TIMEOUT_MILLIS));
    }
    if (begins) {
      if (roundTripMicros) roundTripMicros[round] = now() - started;
    } else {
      Atomics.store(words, at, mine);
      futexWake(address, 1);
    }
  }
  return count;
}
