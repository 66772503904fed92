import type { ControlFile } from '../../src/control/contracts.ts';
import { BACK_TO_FRONT, ENTRY_WORDS, FRONT_TO_BACK, GIVEN, OP, RING_ENTRIES } from '../../src/control/layout.ts';

/** Puts into words what the two halves of a pair say to each other. */
export class Wiretap {
  readonly #words: Int32Array;
  readonly #hear: (op: number, a: number, b: number) => void;
  readonly #toFront;
  readonly #toBack;

  /** @param hear told of each entry: its first words. */
  constructor(
    { words }: ControlFile,
    front: string,
    note: (who: string, what: string) => void,
    hear: (op: number, a: number, b: number) => void,
  ) {
    this.#words = words;
    this.#hear = hear;
    this.#toFront = { ...BACK_TO_FRONT, seen: 0, say: (what: string) => note('the back end', `to ${front}: ${what}`) };
    this.#toBack = { ...FRONT_TO_BACK, seen: 0, say: (what: string) => note(front, `to the back end: ${what}`) };
  }

  /** Whatever has been said since the last time. */
  listen(): void {
    for (const direction of [this.#toFront, this.#toBack]) {
      const tail = this.#words[direction.tail]!;
      const news = Math.min((tail - direction.seen) >>> 0, RING_ENTRIES);
      direction.seen = tail;
      for (let index = tail - news; index < tail; index++) {
        const at = direction.entries + (index & (RING_ENTRIES - 1)) * ENTRY_WORDS;
        this.#hear(this.#words[at]!, this.#words[at + 2]!, this.#words[at + 3]!);
        direction.say(inWords(this.#words, at));
      }
    }
  }
}

const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value);

function inWords(words: Int32Array, at: number): string {
  const [op, id, a, b, c] = words.subarray(at, at + 5);
  if (op === OP.need) return a === 0 ? `need offers, ${b} chunks` : `need ${b} chunks for session ${a} (request ${id})`;
  if (op === OP.given && a === 0) return `${b} chunks are offered`;
  if (op === OP.given) return `given to session ${a} (request ${id}): ${b} chunks, ${nameOf(GIVEN, c!)}`;
  if (op === OP.revoke) return `let go of ${a} chunks within ${b} µs`;
  if (op === OP.returned) return `${a} chunks are returned`;
  return nameOf(OP, op!);
}
