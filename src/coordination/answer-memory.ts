import { OP, SESSION_SLOTS } from '../control/layout.ts';
import type { RingProducer } from '../control/ring.ts';

const NONE = -1;

/** Numbers that a session has used so lately that a message of then may still be on its way. */
const LATE = 1024;

/**
 * Whether a request with number `id` was overtaken by the one with number `last`, or is the same. Numbers rise and wrap at
 * 2^32; one that is far off is none that was late, but a slot that somebody has written over.
 */
export function isPast(id: number, last: number): boolean {
  const age = (last - id) | 0;
  return age >= 0 && age < LATE;
}

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

  /**
   * Deals with a request that is not new: told once more what was answered, where it was the last one; passed over, where
   * it is older. Numbers of a session's requests rise. @returns false for one that is new.
   */
  isAnswered(id: number, session: number): boolean {
    const status = this.#status[session]!;
    const last = this.#ids[session]!;
    if (status === NONE || !isPast(id, last)) return false;
    if (id !== last) return true;
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
