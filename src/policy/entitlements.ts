/**
 * How far each domain may grow with nobody's consent. Xen refuses what goes beyond, so what is promised here must be there:
 * Σ (entitlement − held) is never more than what is free. It stays so whatever domains do by themselves, for who grows takes
 * from both sides alike. Pure.
 */
export interface Entitled {
  readonly held: number;
  /** What it should hold soon; less than `held` where it wants nothing. */
  readonly wanted: number;
  readonly ceiling: number;
  /** It owes memory, or nobody there can be asked for it: it gets no room. */
  readonly stuck: boolean;
}

/**
 * First what domains want, then the rest to all alike: a burst that nobody foresaw is met too.
 * @param free bytes that belong to no domain; below 0 counts as none.
 * @returns by domain; never less than it holds.
 */
export function entitlements(free: number, domains: readonly Entitled[]): number[] {
  const room = domains.map(({ held, ceiling, stuck }) => (stuck ? 0 : Math.max(0, ceiling - held)));
  const wants = domains.map(({ held, wanted }, at) => Math.min(room[at]!, Math.max(0, wanted - held)));
  const first = levelled(wants, Math.max(0, free));
  const left = Math.max(0, free) - first.reduce((all, each) => all + each, 0);
  const rest = levelled(
    room.map((each, at) => each - first[at]!),
    left,
  );
  return domains.map(({ held }, at) => held + first[at]! + rest[at]!);
}

/** Max-min fair: small wants are met whole, the large ones share the rest evenly; whole bytes. */
function levelled(most: readonly number[], funds: number): number[] {
  const given = most.map(() => 0);
  const order = most.map((_, at) => at).sort((a, b) => most[a]! - most[b]!);
  let left = funds;
  for (const [rank, at] of order.entries()) {
    given[at] = Math.min(most[at]!, Math.floor(left / (order.length - rank)));
    left -= given[at]!;
  }
  return given;
}
