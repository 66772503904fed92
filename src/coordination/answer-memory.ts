import { OP, SESSION_SLOTS } from '../control/layout.ts';
import type { RingProducer } from '../control/ring.ts';

const NONE = -1;

/**
 * Answers the requests of one pair, and remembers the last answer to each session. A request that is told twice, since its
 * front end could not know whether it had arrived, is answered twice and served once. Typed arrays, since this lives on the
 * fast plane.
 */
export class AnswerMemory {
  readonly #ids = new Int32Array(SESSION_SLOTS);
  readonly #status = new Int32Array(SESSION_SLOTS).fill(NONE);
  readonly #chunks = new Int32Array(SESSION_SLOTS);
  readonly #decideMicros = new Int32Array(SESSION_SLOTS);
  readonly #releaseMicros = new Int32Array(SESSION_SLOTS);

  /** @returns whether it fitted into the ring; what did not is not remembered, since nobody has been told. */
  tell(ring: RingProducer, id: number, session: number, chunks: number, status: number, d: number, r: number): boolean {
    if (!ring.push(OP.given, id, session, chunks, status, d, r)) return false;
    this.#ids[session] = id;
    this.#status[session] = status;
    this.#chunks[session] = chunks;
    this.#decideMicros[session] = d;
    this.#releaseMicros[session] = r;
    return true;
  }

  /** Tells once more what was answered to request `id`. @returns false when that was not the last one answered. */
  tellAgain(ring: RingProducer, id: number, session: number): boolean {
    const status = this.#status[session]!;
    if (status === NONE || this.#ids[session] !== id) return false;
    ring.push(
      OP.given,
      id,
      session,
      this.#chunks[session]!,
      status,
      this.#decideMicros[session]!,
      this.#releaseMicros[session]!,
    );
    return true;
  }
}
