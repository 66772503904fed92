/** Which records are where on their way: pure bookkeeping over their numbers. */
import { type Interval, NumberSet } from './number-set.ts';

/**
 * A cursor file should stay small. Intervals come from outages, two each; what is forgotten beyond this many is sent again.
 */
const MAX_INTERVALS = 512;

export class Delivery {
  /** Acknowledged by a broker, or of no record that could be sent. */
  readonly delivered: NumberSet;
  /** Taken out to be sent: in memory, or under way. */
  readonly inHand = new NumberSet();
  #watermark: number;
  #hasSink: boolean;

  constructor(start: {
    readonly watermark: number;
    readonly hasSink: boolean;
    readonly delivered: readonly Interval[];
  }) {
    this.#watermark = start.watermark;
    this.#hasSink = start.hasSink;
    this.delivered = new NumberSet(start.delivered);
    this.delivered.add(1, start.watermark);
  }

  /** A sink holds everything up to here. 0 before any has spoken. */
  get watermark(): number {
    return this.#watermark;
  }

  get hasSink(): boolean {
    return this.#hasSink;
  }

  /** Whether a record may go without a word: a sink has confirmed it, or, where there is no sink, a broker. */
  isProven(seq: number): boolean {
    return this.#hasSink ? seq <= this.#watermark : this.delivered.has(seq);
  }

  /** A sink has spoken. @returns whether its watermark has moved. */
  confirm(watermark: number): boolean {
    this.#hasSink = true;
    if (watermark <= this.#watermark) return false;
    this.#watermark = watermark;
    this.delivered.add(1, watermark);
    return true;
  }

  /** The first numbers up to `last` that have yet to be taken out. */
  nextUnsent(last: number): Interval | undefined {
    let from = 1;
    for (;;) {
      const next = this.inHand.firstMissing(this.delivered.firstMissing(from));
      if (next === from) break;
      from = next;
    }
    if (from > last) return undefined;
    return [from, Math.min(last, firstAfter(this.delivered, from) - 1, firstAfter(this.inHand, from) - 1)];
  }

  /** Records up to `last` that no broker has acknowledged. */
  unsent(last: number): number {
    return last - this.delivered.count(1, last);
  }

  /** For the cursor file. */
  get intervals(): readonly Interval[] {
    return this.delivered.intervals.slice(0, MAX_INTERVALS);
  }
}

function firstAfter(set: NumberSet, value: number): number {
  const next = set.intervals.find(([from]) => from > value);
  return next ? next[0] : Number.POSITIVE_INFINITY;
}
