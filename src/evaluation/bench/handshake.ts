import { summarize } from '../../latency/percentiles.ts';
import { HandshakeLink } from './handshake-link.ts';
import type { HandshakeResult } from './result.ts';

const BATCH = 100;

/**
 * The handshake: a request through the ring and the doorbell to the back end's fast plane and its answer back, beside a
 * bare futex ping-pong between the same two threads, in alternating batches.
 */
export async function measureHandshake(runDir: string, rounds: number, signal: AbortSignal): Promise<HandshakeResult> {
  const link = await HandshakeLink.open(runDir);
  try {
    const shakes: number[] = [];
    const busy: number[] = [];
    const futexes: number[] = [];
    const batch = new Float64Array(BATCH);
    for (let id = 0; id < 2 * BATCH; id++) link.shake(); // warm up: both sides compile what they run
    link.pingPong(batch);
    while (shakes.length < rounds) {
      signal.throwIfAborted();
      for (let id = 0; id < BATCH; id++) {
        link.untilAsleep();
        shakes.push(link.shake());
      }
      for (let id = 0; id < BATCH; id++) busy.push(link.shake());
      futexes.push(...batch.subarray(0, link.pingPong(batch)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const mine = summarize(shakes)!;
    const bare = summarize(futexes)!;
    return {
      n: mine.n,
      p50_us: mine.p50,
      ...(mine.p99 === undefined ? {} : { p99_us: mine.p99 }),
      max_us: mine.max,
      futex_p50_us: bare.p50,
      ...(bare.p99 === undefined ? {} : { futex_p99_us: bare.p99 }),
      ratio_p50: mine.p50 / bare.p50,
      busy_p50_us: summarize(busy)!.p50,
    };
  } finally {
    await link.close();
  }
}
