/**
 * What each domain should hold, where all together want more than there is: its use, and the same share of its reserve as
 * everybody else. Else who was first to fill its reserve would keep it while another one is about to fail. Pure.
 */
export interface Wanting {
  readonly used: number;
  /** Its use and its reserve; less than its use counts as its use. */
  readonly wanted: number;
}

/** @param total bytes that there are for all of them. @returns by domain; what it wants, where there is enough. */
export function fairWants(total: number, domains: readonly Wanting[]): number[] {
  const reserves = domains.map(({ used, wanted }) => Math.max(0, wanted - used));
  const left = Math.max(0, total - domains.reduce((all, { used }) => all + used, 0));
  const all = reserves.reduce((sum, each) => sum + each, 0);
  if (all <= left) return domains.map(({ used, wanted }) => Math.max(used, wanted));
  const share = left / all;
  return domains.map(({ used }, at) => used + Math.floor(reserves[at]! * share));
}
