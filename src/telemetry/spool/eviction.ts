/** What goes when the cap is reached, and what is said about it. */
import type { Delivery } from './delivery.ts';
import { type Gap, joinGaps } from './gap.ts';
import type { Segment } from './recovery.ts';

/** Takes the oldest segments out until the rest stays within `mostBytes`. */
export function takeOldest(segments: Segment[], mostBytes: number): Segment[] {
  let total = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  const taken: Segment[] = [];
  while (total > mostBytes && segments.length > 0) {
    const oldest = segments.shift()!;
    total -= oldest.bytes;
    taken.push(oldest);
  }
  return taken;
}

/** The gap that tells of all that nobody has confirmed in `evicted`; `undefined` where everything was. */
export function gapOfEvicted(evicted: readonly Segment[], delivery: Delivery): Gap | undefined {
  const told = evicted.flatMap(({ gaps }) => gaps);
  const tellers = new Set(told.map(({ seq }) => seq));
  const lost: number[] = [];
  for (const { first, last } of evicted) {
    for (let seq = first; seq <= last; seq++) {
      if (!tellers.has(seq) && !delivery.isProven(seq)) lost.push(seq);
    }
  }
  const unsent = lost.filter((seq) => !delivery.delivered.has(seq)).length;
  const [from, to] = [lost[0], lost.at(-1)];
  const own: Gap | undefined =
    from === undefined || to === undefined ? undefined : { cause: 'cap', from, to, records: lost.length, unsent };
  const untold = told.filter(({ seq }) => !delivery.isProven(seq));
  return joinGaps(own, untold);
}
