/**
 * How dom0's arena is divided among guests under Xen, where a chunk that is granted to one guest can be used by no other.
 * What a guest uses stays with it; what nobody uses is divided equally, ahead of need. Pure.
 */
export interface LentTo {
  /** Chunks granted to the guest. */
  readonly granted: number;
  /** Of these, what it holds: leased, or in its reserve. */
  readonly held: number;
  /** Most that it may have. */
  readonly ceiling: number;
}

export interface LentStep {
  /** Chunks to ask back, of those that nobody holds. */
  readonly withdraw: number;
  /** Chunks to grant. */
  readonly grant: number;
}

/** A guest keeps what it has unless it has more than a sixteenth of the arena too much: moving costs both guests a mapping. */
const SLACK_SHARE = 1 / 16;

/** The arena, in chunks. */
export interface Lendable {
  readonly total: number;
  /** Withdrawn before, and still mapped by who had them. */
  readonly owed: number;
  /** Of these, what is owed for so long that nobody counts on it. */
  readonly stuck: number;
}

/** @param mostGrants in one step: each takes a while. */
export function shareLent({ total, owed, stuck }: Lendable, guests: readonly LentTo[], mostGrants: number): LentStep[] {
  const held = guests.reduce((sum, guest) => sum + guest.held, 0);
  const each = guests.length === 0 ? 0 : Math.floor(Math.max(0, total - stuck - held) / guests.length);
  const slack = Math.max(1, Math.floor(total * SLACK_SHARE));
  const granted = guests.reduce((sum, guest) => sum + guest.granted, 0);
  let left = Math.min(mostGrants, Math.max(0, total - granted - owed));
  return guests.map(({ granted, held: own, ceiling }) => {
    const target = Math.min(ceiling, own + each);
    const withdraw = granted > target + slack ? granted - target : 0;
    const grant = Math.min(left, Math.max(0, target - granted));
    left -= grant;
    return { withdraw, grant };
  });
}
