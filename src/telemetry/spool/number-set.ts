/** A set of whole numbers as sorted intervals that neither meet nor overlap: few numbers for millions of records. */
export type Interval = readonly [from: number, to: number];

export class NumberSet {
  #intervals: [from: number, to: number][];

  constructor(intervals: Iterable<Interval> = []) {
    this.#intervals = [];
    for (const [from, to] of intervals) this.add(from, to);
  }

  /** Adds `from` to `to`, both included; an empty range changes nothing. */
  add(from: number, to = from): void {
    if (from > to) return;
    const first = this.#indexFrom(from - 1);
    let [low, high] = [from, to];
    let end = first;
    for (; end < this.#intervals.length && this.#intervals[end]![0] <= to + 1; end++) {
      low = Math.min(low, this.#intervals[end]![0]);
      high = Math.max(high, this.#intervals[end]![1]);
    }
    this.#intervals.splice(first, end - first, [low, high]);
  }

  remove(from: number, to = from): void {
    if (from > to) return;
    const first = this.#indexFrom(from);
    const rest: [number, number][] = [];
    let end = first;
    for (; end < this.#intervals.length && this.#intervals[end]![0] <= to; end++) {
      const [low, high] = this.#intervals[end]!;
      if (low < from) rest.push([low, from - 1]);
      if (high > to) rest.push([to + 1, high]);
    }
    this.#intervals.splice(first, end - first, ...rest);
  }

  clear(): void {
    this.#intervals = [];
  }

  has(value: number): boolean {
    const interval = this.#intervals[this.#indexFrom(value)];
    return interval !== undefined && interval[0] <= value;
  }

  /** The smallest number from `value` on that is not in the set. */
  firstMissing(value: number): number {
    const interval = this.#intervals[this.#indexFrom(value)];
    return interval !== undefined && interval[0] <= value ? interval[1] + 1 : value;
  }

  /** How many numbers from `from` to `to` are in the set. */
  count(from: number, to: number): number {
    if (from > to) return 0;
    let sum = 0;
    for (let i = this.#indexFrom(from); i < this.#intervals.length && this.#intervals[i]![0] <= to; i++) {
      const [low, high] = this.#intervals[i]!;
      sum += Math.min(high, to) - Math.max(low, from) + 1;
    }
    return sum;
  }

  get intervals(): readonly Interval[] {
    return this.#intervals;
  }

  /** Index of the first interval that ends at `value` or beyond. */
  #indexFrom(value: number): number {
    let [low, high] = [0, this.#intervals.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#intervals[middle]![1] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
