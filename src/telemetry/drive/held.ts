/** Of each spool, which numbers a sink holds on disk: what it says on `sink/watermark`. Bookkeeping only. */
import type { ReportPayload } from '../schema.ts';
import { type Interval, NumberSet } from '../spool/number-set.ts';
import { MAX_MISSING } from '../spool/watermark.ts';

/** Bounds for what hostile agents can cost. Beyond them nothing is noted, and therefore not confirmed. */
const MAX_SPOOLS = 1024;
const MAX_INTERVALS = 4096;

export interface SpoolOwner {
  readonly vehicle: string;
  readonly domain: string;
}

/** As it is kept in a file. */
export interface HeldSpool extends SpoolOwner {
  readonly spool: string;
  readonly intervals: readonly Interval[];
}

export interface HeldWord extends SpoolOwner {
  /** What is said of this spool, as in the wire schema. */
  readonly said: {
    readonly v: 1;
    readonly spool: string;
    readonly watermark: number;
    readonly missing?: readonly Interval[];
  };
}

export class Held {
  readonly #spools = new Map<string, SpoolOwner & { readonly spool: string; readonly numbers: NumberSet }>();

  constructor(spools: Iterable<HeldSpool> = []) {
    for (const { vehicle, domain, spool, intervals } of spools) {
      this.#spools.set(keyOf({ vehicle, domain }, spool), {
        vehicle,
        domain,
        spool,
        numbers: new NumberSet(intervals),
      });
    }
  }

  has(owner: SpoolOwner, spool: string, seq: number): boolean {
    return this.#spools.get(keyOf(owner, spool))?.numbers.has(seq) === true;
  }

  /** There is such a spool. @returns whether that is news. */
  meet(owner: SpoolOwner, spool: string): boolean {
    const key = keyOf(owner, spool);
    if (this.#spools.has(key) || this.#spools.size >= MAX_SPOOLS) return false;
    this.#spools.set(key, { vehicle: owner.vehicle, domain: owner.domain, spool, numbers: new NumberSet() });
    return true;
  }

  /** A message is in the books; with a gap record, so is all that it tells of. */
  add(
    owner: SpoolOwner,
    spool: string,
    seq: number,
    gap?: Pick<ReportPayload<'event/gap'>, 'from_seq' | 'to_seq'>,
  ): void {
    this.meet(owner, spool);
    const numbers = this.#spools.get(keyOf(owner, spool))?.numbers;
    if (!numbers || (numbers.intervals.length >= MAX_INTERVALS && !numbers.has(seq - 1))) return;
    numbers.add(seq);
    if (gap) numbers.add(gap.from_seq, gap.to_seq);
  }

  /** For the file, and for `words` of what is in the file. */
  snapshot(): HeldSpool[] {
    return [...this.#spools.values()].map(({ numbers, ...rest }) => ({
      ...rest,
      intervals: numbers.intervals.map(([from, to]) => [from, to] as const),
    }));
  }
}

/** What to say of a spool: everything up to the watermark has arrived, and of what is beyond, these ranges have not. */
export function wordOf({ vehicle, domain, spool, intervals }: HeldSpool): HeldWord {
  const watermark = intervals[0]?.[0] === 1 ? intervals[0][1] : 0;
  const missing: Interval[] = [];
  let from = watermark + 1;
  for (const [low, high] of intervals) {
    if (low > from && missing.length < MAX_MISSING) missing.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  return { vehicle, domain, said: { v: 1, spool, watermark, ...(missing.length > 0 && { missing }) } };
}

const keyOf = ({ vehicle, domain }: SpoolOwner, spool: string): string => `${vehicle}/${domain}/${spool}`;
