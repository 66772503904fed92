import { openControlFile } from '../../control/control-file.ts';
import { FutexRinger, FutexWaiter } from '../../control/futex-bell.ts';
import { BACK_TO_FRONT, BELL, FRONT_BELL, FRONT_TO_BACK, OP, PING } from '../../control/layout.ts';
import { POPPED, RingConsumer, RingProducer } from '../../control/ring.ts';
import type { FrontendWelcome } from '../../coordination/agent-protocol.ts';
import { futexPingPong } from '../../coordination/ping-pong.ts';
import { DomainFiles, RunFiles } from '../../coordination/run-files.ts';
import { SocketLink } from '../../coordination/socket-link.ts';
import { mapFile, wordsOf } from '../../native/mapping.ts';
import { PROBE } from './bench-machine.ts';

/** From "about to sleep" to asleep. */
const SETTLE_MILLIS = 0.03;

/** A front end of which there is nothing but the handshake, on the thread that calls. */
export class HandshakeLink {
  /** The bell that answers come with. */
  readonly waiter: FutexWaiter;
  readonly #link: SocketLink;
  readonly #pairId: number;
  readonly #words: Int32Array;
  readonly #address: number;
  readonly #bellWords: Int32Array;
  readonly #backend: FutexRinger;
  readonly #toBack: RingProducer;
  readonly #fromBack: RingConsumer;
  #id = 0;

  private constructor(link: SocketLink, welcome: FrontendWelcome) {
    const { file } = openControlFile(new DomainFiles(welcome.domainDirectory).control);
    const bell = mapFile(welcome.backendBell, 4096, 'doorbell');
    this.#link = link;
    this.#pairId = welcome.pairId;
    this.#words = file.words;
    this.#address = file.address;
    this.#bellWords = wordsOf(bell);
    this.#backend = new FutexRinger({ words: this.#bellWords, at: 0, address: bell.address });
    this.waiter = new FutexWaiter({ words: file.words, at: FRONT_BELL, address: file.address });
    this.#toBack = new RingProducer(file.words, FRONT_TO_BACK);
    this.#fromBack = new RingConsumer(file.words, BACK_TO_FRONT);
  }

  static async open(runDir: string): Promise<HandshakeLink> {
    const link = new SocketLink({
      path: new RunFiles(runDir).backendSocket,
      domain: PROBE,
      events: { joined: () => {}, notice: () => {}, away: () => {} },
    });
    return new HandshakeLink(link, await link.start());
  }

  /** A request to the back end's fast plane and its answer. @returns microseconds. */
  shake(): number {
    const id = this.#id++ & 0xffff;
    const before = performance.now();
    this.#toBack.push(OP.noop, id);
    this.#backend.ring(this.#pairId);
    // Whatever else the back end had to say first does not count as the answer.
    for (let tries = 0; this.#fromBack.pop() !== POPPED.entry || this.#fromBack.entry[1] !== id; tries++) {
      if (tries > 100) throw new Error('the back end does not answer');
      this.waiter.wait(100);
      this.waiter.pending.fill(0);
    }
    return (performance.now() - before) * 1000;
  }

  /**
   * A back end that has just answered is still awake, and answers the next request without being woken at all. Bursts
   * come to a sleeping one, so that is what counts.
   */
  untilAsleep(): void {
    while (Atomics.load(this.#bellWords, BELL.waiting) === 0);
    for (const until = performance.now() + SETTLE_MILLIS; performance.now() < until; );
  }

  /** The bare futex ping-pong between the same two threads. @returns how many of `roundTripMicros` it has filled. */
  pingPong(roundTripMicros: Float64Array): number {
    Atomics.store(this.#words, PING, 0);
    this.#toBack.push(OP.ping, 0, roundTripMicros.length);
    this.#backend.ring(this.#pairId);
    return futexPingPong(
      { words: this.#words, address: this.#address },
      PING,
      roundTripMicros.length,
      true,
      roundTripMicros,
    );
  }

  close(): Promise<void> {
    return this.#link.close();
  }
}
