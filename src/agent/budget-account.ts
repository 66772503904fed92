import { sizeOr } from '../units.ts';

/** A budget notice under way: told, and not yet answered. */
export interface OpenMove {
  readonly id: number;
  readonly changeBytes: number;
  readonly toldMicros: number;
}

/** A move that is not answered is told again, in case it or its answer was lost; who has made it answers, and moves nothing. */
const TELL_AGAIN_MICROS = 500_000;

/**
 * What the back end counts as one domain's budget: never less than the domain's programs may really hold. A rise counts
 * from the moment that it is told, a cut only once it is answered, and one move is under way at a time. What the agent says
 * of its limit is believed when it has heard of every move, so that a report that was overtaken cannot free memory that is
 * in use.
 */
export class BudgetAccount {
  #limit: number;
  readonly #most: number;
  #open: OpenMove | undefined;
  #lastTold = 0;

  /** @param mostBytes all that there is: an agent that claims to hold more holds others back with that, and no further. */
  constructor(limitBytes: number, mostBytes: number) {
    this.#limit = limitBytes;
    this.#most = mostBytes;
  }

  get limit(): number {
    return this.#limit;
  }

  get open(): OpenMove | undefined {
    return this.#open;
  }

  /** A notice is told. There is none open. */
  begin(id: number, changeBytes: number, now: number): void {
    if (this.#open) throw new RangeError(`move ${this.#open.id} is still open`);
    this.#open = { id, changeBytes, toldMicros: now };
    this.#lastTold = id;
    if (changeBytes > 0) this.#limit += changeBytes;
  }

  /** The open move, when it is time to tell it again; that is noted. */
  due(now: number): OpenMove | undefined {
    if (!this.#open || now - this.#open.toldMicros < TELL_AGAIN_MICROS) return undefined;
    this.#open = { ...this.#open, toldMicros: now };
    return this.#open;
  }

  /** @returns by how much a cut has lowered the limit; undefined for an answer that was heard before, or to nothing. */
  answered(id: number, changeBytes: number, limitBytes: number): number | undefined {
    if (this.#open?.id !== id) return undefined;
    const asked = this.#open.changeBytes;
    this.#open = undefined;
    this.#limit = this.#believed(limitBytes);
    return asked < 0 ? Math.max(0, Math.min(-asked, -changeBytes)) : 0;
  }

  /** @param lastId the last move that the agent had heard of when it said so. */
  reported(limitBytes: number, lastId: number): void {
    if (!this.#open && lastId === this.#lastTold) this.#limit = this.#believed(limitBytes);
  }

  /**
   * An agent has joined. One that was here before says where its budget stands, unless it may be in the middle of a move;
   * one that is new begins with what is counted here.
   */
  joined(limitBytes: number | undefined): void {
    if (limitBytes === undefined) {
      this.#open = undefined;
      this.#lastTold = 0;
    } else if (!this.#open) {
      this.#limit = this.#believed(limitBytes);
    }
  }

  #believed(limitBytes: number): number {
    return Math.min(sizeOr(limitBytes, this.#limit), this.#most);
  }
}
