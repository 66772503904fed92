import { OP, SESSION_SLOTS } from '../control/layout.ts';
import type { RingProducer } from '../control/ring.ts';

const NONE = -1;

/** Tells an answer over the slow link as well; cheap, but not as cheap as the ring. */
export type TellOverLink = (
  id: number,
  session: number,
  chunks: number,
  status: number,
  decideMicros: number,
  releaseMicros: number,
) => void;

/**
 * Answers the requests of one pair, and remembers the last answer to each session. A request may come twice, over the ring
 * and over the slow link, or again from a front end that could not know whether it had arrived: it is answered as often as
 * it is asked, and served once. Typed arrays, since this lives on the fast plane.
 */
export class AnswerMemory {
  readonly #ring: RingProducer;
  readonly #tellOverLink: TellOverLink;
  /** The request was told over the slow link: its ring may not be read. */
  readonly #overLink = new Uint8Array(SESSION_SLOTS);
  readonly #ids = new Int32Array(SESSION_SLOTS);
  readonly #status = new Int32Array(SESSION_SLOTS).fill(NONE);
  readonly #chunks = new Int32Array(SESSION_SLOTS);
  readonly #decideMicros = new Int32Array(SESSION_SLOTS);
  readonly #releaseMicros = new Int32Array(SESSION_SLOTS);

  constructor(ring: RingProducer, tellOverLink: TellOverLink) {
    this.#ring = ring;
    this.#tellOverLink = tellOverLink;
  }

  /** The next answer to this session goes over the slow link too. */
  expectOverLink(session: number): void {
    this.#overLink[session] = 1;
  }

  /** @returns false when it could be told on no way, and is not remembered. */
  tell(id: number, session: number, chunks: number, status: number, d: number, r: number): boolean {
    if (!this.#send(id, session, chunks, status, d, r)) return false;
    this.#ids[session] = id;
    this.#status[session] = status;
    this.#chunks[session] = chunks;
    this.#decideMicros[session] = d;
    this.#releaseMicros[session] = r;
    return true;
  }

  /** Tells once more what was answered to a request. @returns false when it was not answered, or not the last one. */
  tellAgain(id: number, session: number): boolean {
    const status = this.#status[session]!;
    if (status === NONE || this.#ids[session] !== id) return false;
    const d = this.#decideMicros[session]!;
    this.#send(id, session, this.#chunks[session]!, status, d, this.#releaseMicros[session]!);
    return true;
  }

  #send(id: number, session: number, chunks: number, status: number, d: number, r: number): boolean {
    const pushed = this.#ring.push(OP.given, id, session, chunks, status, d, r);
    const overLink = this.#overLink[session] === 1;
    this.#overLink[session] = 0;
    if (overLink) this.#tellOverLink(id, session, chunks, status, d, r);
    return pushed || overLink;
  }
}
