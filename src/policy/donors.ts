/**
 * Whom a burst is served from when it needs its peers (tier 2). Runs on the fast plane for every such request, so it
 * reads and writes typed arrays only and allocates nothing.
 *
 * Order: idle reserve before revocable leases (a reserve comes at once, a lease only after a callback and a
 * deadline), and all donors at ease before any that is under pressure itself (what is taken from those comes back
 * as a request). Within each of these four passes the largest donor goes first. Each donor costs a wake-up, and the
 * request is as slow as its slowest donor: largest-first disturbs the fewest. It is fair over time, because a
 * donor that was drained is the largest no more; levelling within one request would wake everybody each time.
 */

/** One row per domain; all sizes in chunks. Rows at and above `count` are not read. */
export interface DonorTable {
  count: number;
  /** Reserve that is not in use. */
  idleChunks: Int32Array;
  /** Held in leases that can be called back. */
  revocableChunks: Int32Array;
  /** How many chunks may be taken before the domain stands at its floor. */
  aboveFloorChunks: Int32Array;
  /** Monotonic instant until which the donor is left alone (`stuck.ts`); 0 where it is not stuck. */
  stuckUntilMicros: Float64Array;
  /** 1 where the domain is under memory pressure itself. */
  pressured: Uint8Array;
}

/** Passes over the donors: bit 0 says whether leases may be revoked, bit 1 whether pressured donors are asked. */
const PASSES = 4;

/**
 * Fills `take[d]` with the chunks that donor `d` is to give.
 * What exceeds `idleChunks[d]` of it must come from `d`'s revocable leases.
 * @param take at least `table.count` long; every row is written.
 * @returns the sum of `take`: `needChunks`, or less where the donors have less.
 */
export function chooseDonors(
  table: DonorTable,
  requester: number,
  needChunks: number,
  nowMicros: number,
  take: Int32Array,
): number {
  take.fill(0, 0, table.count);
  let missing = needChunks;
  for (let pass = 0; pass < PASSES && missing > 0; pass++) {
    const revoking = (pass & 1) !== 0;
    const pressured = pass >> 1;
    while (missing > 0) {
      const donor = largestDonor(table, requester, nowMicros, take, revoking, pressured);
      if (donor < 0) break;
      const chunks = Math.min(missing, available(table, donor, take, revoking));
      take[donor] = take[donor]! + chunks;
      missing -= chunks;
    }
  }
  return needChunks > 0 ? needChunks - missing : 0;
}

/** The row with most left to give in this pass, the lowest on a tie; -1 where nobody has any. */
function largestDonor(
  table: DonorTable,
  requester: number,
  nowMicros: number,
  take: Int32Array,
  revoking: boolean,
  pressured: number,
): number {
  let best = -1;
  let most = 0;
  for (let donor = 0; donor < table.count; donor++) {
    if (donor === requester || table.pressured[donor] !== pressured) continue;
    if (table.stuckUntilMicros[donor]! > nowMicros) continue;
    const chunks = available(table, donor, take, revoking);
    if (chunks > most) {
      most = chunks;
      best = donor;
    }
  }
  return best;
}

function available(table: DonorTable, donor: number, take: Int32Array, revoking: boolean): number {
  const owned = table.idleChunks[donor]! + (revoking ? table.revocableChunks[donor]! : 0);
  return Math.min(owned, table.aboveFloorChunks[donor]!) - take[donor]!;
}
