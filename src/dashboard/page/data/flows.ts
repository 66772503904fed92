/** Whose memory served whom: bytes from each source to each domain, over some bursts. */
import type { Burst } from './burst.ts';

export interface Flow {
  /** `reserve`: the recipient's own. A donor by name where only one can have been it. */
  readonly source: 'reserve' | 'pool' | 'others' | { readonly donor: string };
  readonly recipient: string;
  readonly bytes: number;
}

/** @param holders every domain that has memory. With two of them, the donor is the other one. */
export function flowsOf(bursts: readonly Burst[], holders: readonly string[]): Flow[] {
  const flows: Flow[] = [];
  for (const recipient of holders) {
    const own = bursts.filter(({ domain, refusal }) => domain === recipient && refusal === undefined);
    const sum = (tier: 'reserve' | 'pool' | 'peer'): number =>
      own.reduce((bytes, { tierBytes }) => bytes + tierBytes[tier], 0);
    const others = holders.filter((name) => name !== recipient);
    flows.push(
      { source: 'reserve', recipient, bytes: sum('reserve') },
      { source: 'pool', recipient, bytes: sum('pool') },
      { source: others.length === 1 ? { donor: others[0]! } : 'others', recipient, bytes: sum('peer') },
    );
  }
  return flows.filter(({ bytes }) => bytes > 0);
}
