import { ENTRY_WORDS, RING_ENTRIES } from './layout.ts';

/**
 * One direction of a pair: a single-producer single-consumer ring of fixed 64-byte entries in shared memory.
 *
 * Head and tail run freely and wrap at 2^32; an entry's place is the index modulo 64. Each side keeps a private copy of
 * the index that it owns and never reads its own back from shared memory, so a hostile peer can make the ring useless
 * but cannot make this side read or write outside its 64 entries.
 */
interface RingPlace {
  readonly head: number;
  readonly tail: number;
  readonly entries: number;
}

const MASK = RING_ENTRIES - 1;

export class RingProducer {
  readonly #words: Int32Array;
  readonly #place: RingPlace;
  #tail: number;

  /** Takes over where the last producer left off; what it had written and not published is lost, as it must be. */
  constructor(words: Int32Array, place: RingPlace) {
    this.#words = words;
    this.#place = place;
    this.#tail = Atomics.load(words, place.tail);
  }

  /**
   * Appends one entry. Words 0 and 1 are `op` and `id`.
   * @returns false when the ring is full, or when the peer's index is out of bounds (it then looks full for ever).
   */
  push(op: number, id: number, a = 0, b = 0, c = 0, d = 0, e = 0): boolean {
    const words = this.#words;
    const used = (this.#tail - Atomics.load(words, this.#place.head)) | 0;
    if (used < 0 || used >= RING_ENTRIES) return false;
    const at = this.#place.entries + (this.#tail & MASK) * ENTRY_WORDS;
    words[at] = op;
    words[at + 1] = id;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    words[at + 5] = d;
    words[at + 6] = e;
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(words, this.#place.tail, this.#tail);
    return true;
  }

  /** Publishes the index anew, should somebody have written over it. @returns whether it was as it should be. */
  heal(): boolean {
    return Atomics.exchange(this.#words, this.#place.tail, this.#tail) === this.#tail;
  }
}

/** What `RingConsumer.pop` found. */
export const POPPED = { nothing: 0, entry: 1, violation: -1 } as const;

export class RingConsumer {
  readonly #words: Int32Array;
  readonly #place: RingPlace;
  #head: number;
  /** The entry last popped: a private copy, so that what was validated is what is used. */
  readonly entry: Int32Array = new Int32Array(ENTRY_WORDS);

  constructor(words: Int32Array, place: RingPlace) {
    this.#words = words;
    this.#place = place;
    this.#head = Atomics.load(words, place.head);
  }

  /** Takes the next entry into `entry`. @returns one of `POPPED`; after a violation the link must be re-made. */
  pop(): number {
    const words = this.#words;
    const available = (Atomics.load(words, this.#place.tail) - this.#head) | 0;
    if (available === 0) return POPPED.nothing;
    if (available < 0 || available > RING_ENTRIES) return POPPED.violation;
    const at = this.#place.entries + (this.#head & MASK) * ENTRY_WORDS;
    for (let word = 0; word < ENTRY_WORDS; word++) this.entry[word] = words[at + word] as number;
    this.#head = (this.#head + 1) | 0;
    Atomics.store(words, this.#place.head, this.#head);
    return POPPED.entry;
  }

  /** As `RingProducer.heal`. */
  heal(): boolean {
    return Atomics.exchange(this.#words, this.#place.head, this.#head) === this.#head;
  }

  /** Drops everything that is waiting: the first step of re-making a link. */
  resync(): void {
    this.#head = Atomics.load(this.#words, this.#place.tail);
    Atomics.store(this.#words, this.#place.head, this.#head);
  }
}
