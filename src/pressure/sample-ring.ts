/** The last readings, oldest first, in a fixed number of places. */
export class SampleRing<Sample> {
  readonly capacity: number;
  readonly #places: Sample[] = [];
  #oldest = 0;

  /** @throws RangeError unless `capacity` is a whole number above 0. */
  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) throw new RangeError(`not a ring's capacity: ${capacity}`);
    this.capacity = capacity;
  }

  push(sample: Sample): void {
    if (this.#places.length < this.capacity) {
      this.#places.push(sample);
      return;
    }
    this.#places[this.#oldest] = sample;
    this.#oldest = (this.#oldest + 1) % this.capacity;
  }

  get length(): number {
    return this.#places.length;
  }

  get latest(): Sample | undefined {
    return this.#places.at(this.#oldest - 1);
  }

  *[Symbol.iterator](): IterableIterator<Sample> {
    for (let offset = 0; offset < this.#places.length; offset++) {
      yield this.#places[(this.#oldest + offset) % this.#places.length]!;
    }
  }
}
