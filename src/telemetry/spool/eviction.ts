/** What goes when the cap is reached or a segment cannot be read, and what is said about it. */
import type { Delivery } from './delivery.ts';
import { type Gap, type GapCause, joinGaps } from './gap.ts';
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

/** Records that go together. */
export type Loss = Pick<Segment, 'first' | 'last' | 'gaps'>;

/** The gap that tells of all that nobody has confirmed in `losses`; `undefined` where everything was. */
export function gapOfLoss(cause: GapCause, losses: readonly Loss[], delivery: Delivery): Gap | undefined {
  const told = losses.flatMap(({ gaps }) => gaps);
  const tellers = new Set(told.map(({ seq }) => seq));
  const lost: number[] = [];
  for (const { first, last } of losses) {
    for (let seq = first; seq <= last; seq++) {
      if (!tellers.has(seq) && !delivery.isProven(seq)) lost.push(seq);
    }
  }
  const unsent = lost.filter((seq) => !delivery.delivered.has(seq)).length;
  const [from, to] = [lost[0], lost.at(-1)];
  const own: Gap | undefined =
    from === undefined || to === undefined ? undefined : { cause, from, to, records: lost.length, unsent };
  const untold = told.filter(({ seq }) => !delivery.isProven(seq));
  return joinGaps(cause, own, untold);
}
