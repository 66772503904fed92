import type { BackendCall } from '../coordination/agent-protocol.ts';

export type Moved = BackendCall & { readonly op: 'moved' };

/** Moves are told one at a time, so that a late repetition is at most a few moves old. */
const KEPT = 16;

/**
 * The moves of its budget that an agent has made, by their number: one that is told again is answered as before and not
 * made again. Numbers rise within one life of a back end.
 */
export class BudgetAnswers {
  #epoch = 0;
  #lastId = 0;
  #answers: Moved[] = [];

  /** The last move that was made. */
  get lastId(): number {
    return this.#lastId;
  }

  /** The link stands to the back end of this life. */
  meet(epoch: number): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#lastId = 0;
    this.#answers = [];
  }

  /** Makes a move unless it was made. @returns the answer; undefined to a number that is long gone. */
  answer(id: number, make: () => Moved): Moved | undefined {
    const known = this.#answers.find((moved) => moved.id === id);
    if (known) return known;
    if (!Number.isSafeInteger(id) || id <= this.#lastId) return undefined;
    const moved = make();
    this.#lastId = id;
    this.#answers.push(moved);
    if (this.#answers.length > KEPT) this.#answers.shift();
    return moved;
  }
}
