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

  /** The link stands to the back end of this life. @returns whether it is another one than before. */
  meet(epoch: number): boolean {
    if (epoch === this.#epoch) return false;
    this.#epoch = epoch;
    this.#lastId = 0;
    this.#answers = [];
    return true;
  }

  /** The answer to a move that was made. */
  find(id: number): Moved | undefined {
    return this.#answers.find((moved) => moved.id === id);
  }

  /** Whether a move of this number may yet be made; else it was made, or is long gone. */
  isNew(id: number): boolean {
    return Number.isSafeInteger(id) && id > this.#lastId;
  }

  /** Makes a move unless it was made. @returns the answer; undefined to a number that is long gone. */
  answer(id: number, make: () => Moved): Moved | undefined {
    const known = this.find(id);
    if (known) return known;
    if (!this.isNew(id)) return undefined;
    const moved = make();
    this.#lastId = id;
    this.#answers.push(moved);
    if (this.#answers.length > KEPT) this.#answers.shift();
    return moved;
  }
}
