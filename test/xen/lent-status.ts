/** What dom0's agent says of what it lends, and when nothing in it is under way. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface LentStatus {
  readonly arena_bytes: number;
  readonly owed_bytes: number;
  readonly stuck_bytes: number;
  readonly guests: ReadonlyArray<{
    readonly name: string;
    readonly domid: number;
    readonly granted_bytes: number;
    readonly offered_bytes: number;
    readonly reserve_bytes: number;
    readonly unscrubbed_bytes: number;
    readonly leased_bytes: number;
    readonly violations: number;
  }>;
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * Whether the guests' front ends have nothing to tell dom0 any more: everything granted is offered, or clean reserve of as
 * much as they want, so none of them will ring until an application does something.
 */
export const isAtRest = ({ guests }: LentStatus, guestCount: number, reserveBytes: number): boolean =>
  guests.length === guestCount &&
  guests.every(
    (guest) =>
      guest.leased_bytes === 0 &&
      guest.unscrubbed_bytes === 0 &&
      guest.reserve_bytes * 2 >= reserveBytes &&
      guest.reserve_bytes <= reserveBytes &&
      guest.offered_bytes >= reserveBytes && // its reserve can be filled again without asking
      guest.offered_bytes + guest.reserve_bytes === guest.granted_bytes,
  );

/**
 * Figures of a plane that show all that was rung, and all that it was to do, before this was called: a ring is a bit in
 * shared memory, found at the plane's next turn at the latest. After two changes of its published count of turns there was
 * one, and its outcome is published.
 */
export async function afterATurn(look: () => Promise<Figures>): Promise<Figures> {
  let { polls } = await look();
  for (let changes = 0; ; ) {
    const figures = await look();
    if (figures.polls !== polls && ++changes === 2) return figures;
    polls = figures.polls;
    await sleep(20);
  }
}

type Figures = Readonly<Record<string, number>>;
