/**
 * One press, one mark. A switch closes and opens for some milliseconds before it rests, both when it is pressed and when
 * it is let go. The edge that ends a rest at the released level is the press, and it counts at once.
 */
import type { Micros, Millis } from '../units.ts';

export class Debounce {
  readonly #restMicros: number;
  #lastEdge = Number.NEGATIVE_INFINITY;
  #level: 0 | 1 = 0;

  /** @param rest edges closer together than this belong to one movement of the switch. */
  constructor(rest: Millis) {
    this.#restMicros = rest * 1000;
  }

  /** @param level after the edge; 1 is pressed. @returns whether this edge is a press. */
  isPress(at: Micros, level: 0 | 1): boolean {
    const press = this.#level === 0 && at - this.#lastEdge >= this.#restMicros;
    this.#lastEdge = at;
    this.#level = level;
    return press;
  }
}
