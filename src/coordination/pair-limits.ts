/** What the slow plane decides about a domain; the fast plane only obeys. In chunks. */
export interface PairLimits {
  floorChunks: number;
  ceilingChunks: number;
  /** Free chunks that are kept offered to the domain, ahead of need. */
  offerChunks: number;
}
