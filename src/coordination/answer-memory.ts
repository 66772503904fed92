import { SESSION_SLOTS } from '../control/layout.ts';

const NONE = -1;

/**
 * The last answer to each session of a pair. A request that is told twice, since its front end could not know whether it
 * had arrived, is answered twice and served once. Typed arrays, since this lives on the fast plane.
 */
export class AnswerMemory {
  readonly #ids = new Int32Array(SESSION_SLOTS);
  readonly status = new Int32Array(SESSION_SLOTS).fill(NONE);
  readonly chunks = new Int32Array(SESSION_SLOTS);
  readonly decideMicros = new Int32Array(SESSION_SLOTS);
  readonly releaseMicros = new Int32Array(SESSION_SLOTS);

  has(session: number, id: number): boolean {
    return this.status[session] !== NONE && this.#ids[session] === id;
  }

  remember(session: number, id: number, chunks: number, status: number, decide: number, release: number): void {
    this.#ids[session] = id;
    this.status[session] = status;
    this.chunks[session] = chunks;
    this.decideMicros[session] = decide;
    this.releaseMicros[session] = release;
  }
}
