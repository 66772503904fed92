import { openControlFile } from '../../control/control-file.ts';
import { FutexRinger, FutexWaiter } from '../../control/futex-bell.ts';
import { BACK_TO_FRONT, BELL, FRONT_BELL, FRONT_TO_BACK, OP, PING } from '../../control/layout.ts';
import { POPPED, RingConsumer, RingProducer } from '../../control/ring.ts';
import { futexPingPong } from '../../coordination/ping-pong.ts';
import { DomainFiles, RunFiles } from '../../coordination/run-files.ts';
import { SocketLink } from '../../coordination/socket-link.ts';
import { summarize } from '../../latency/percentiles.ts';
import { mapFile, wordsOf } from '../../native/mapping.ts';
import { PROBE } from './bench-machine.ts';
import type { HandshakeResult } from './result.ts';

const BATCH = 100;
/** From "about to sleep" to asleep. */
const SETTLE_MILLIS = 0.03;

/**
 * The handshake: a request through the ring and the doorbell to the back end's fast plane and its answer back, beside a
 * bare futex ping-pong between the same two threads, in alternating batches.
 */
export async function measureHandshake(runDir: string, rounds: number, signal: AbortSignal): Promise<HandshakeResult> {
  const link = new SocketLink({
    path: new RunFiles(runDir).backendSocket,
    domain: PROBE,
    events: { joined: () => {}, notice: () => {}, away: () => {} },
  });
  try {
    const welcome = await link.start();
    const { file } = openControlFile(new DomainFiles(welcome.domainDirectory).control);
    const bell = mapFile(welcome.backendBell, 4096, 'doorbell');
    const bellWords = wordsOf(bell);
    const backend = new FutexRinger({ words: bellWords, at: 0, address: bell.address });
    const waiter = new FutexWaiter({ words: file.words, at: FRONT_BELL, address: file.address });
    const toBack = new RingProducer(file.words, FRONT_TO_BACK);
    const fromBack = new RingConsumer(file.words, BACK_TO_FRONT);
    const shakes: number[] = [];
    const busy: number[] = [];
    const futexes: number[] = [];
    const batch = new Float64Array(BATCH);

    const shake = (id: number): number => {
      const before = performance.now();
      toBack.push(OP.noop, id);
      backend.ring(welcome.pairId);
      // Whatever else the back end had to say first does not count as the answer.
      for (let tries = 0; fromBack.pop() !== POPPED.entry || fromBack.entry[1] !== id; tries++) {
        if (tries > 100) throw new Error('the back end does not answer');
        waiter.wait(100);
        waiter.pending.fill(0);
      }
      return (performance.now() - before) * 1000;
    };
    // A back end that has just answered is still awake, and answers the next request without being woken at all. Bursts
    // come to a sleeping one, so that is what counts.
    const untilAsleep = (): void => {
      while (Atomics.load(bellWords, BELL.waiting) === 0);
      for (const until = performance.now() + SETTLE_MILLIS; performance.now() < until; );
    };
    const pingPong = (): void => {
      Atomics.store(file.words, PING, 0);
      toBack.push(OP.ping, 0, BATCH);
      backend.ring(welcome.pairId);
      const done = futexPingPong({ words: file.words, address: file.address }, PING, BATCH, true, batch);
      futexes.push(...batch.subarray(0, done));
    };

    for (let id = 0; id < 2 * BATCH; id++) shake(id); // warm up: both sides compile what they run
    pingPong();
    futexes.length = 0;
    while (shakes.length < rounds) {
      signal.throwIfAborted();
      for (let id = 0; id < BATCH; id++) {
        untilAsleep();
        shakes.push(shake(id));
      }
      for (let id = 0; id < BATCH; id++) busy.push(shake(id));
      pingPong();
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
