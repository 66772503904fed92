import type { Config } from '../config/schema.ts';
import { leastMib, privateFloorMib } from '../config/total.ts';
import { type Bytes, bytes, MIB, mebibytes, roundDown, roundUp } from '../units.ts';

/** How the governed memory is divided between private budgets and the arena. Pure. */
type Domain = Config['domains'][number];

export interface ArenaSize {
  /** The file: all that budgets can give up. */
  readonly arenaBytes: Bytes;
  /** What has memory at the start; the rest is taken when it is in nobody's budget. */
  readonly populateBytes: Bytes;
}

/** The arena of `total` governed bytes. */
export function arenaSize({ domains, arena }: Config, total: Bytes): ArenaSize {
  const chunkBytes = arena.chunk_kib * 1024;
  const sum = (per: (domain: Domain) => number): number => domains.reduce((all, each) => all + per(each), 0) * MIB;
  const lendable = total - sum(({ budget_mib }) => budget_mib);
  const kept = sum((domain) => leastMib(domain) - domain.budget_mib);
  const wanted = arena.pool_mib === undefined ? lendable : Math.min(lendable, kept + mebibytes(arena.pool_mib));
  return {
    arenaBytes: bytes(roundDown(total - sum(privateFloorMib), chunkBytes)),
    populateBytes: bytes(roundDown(wanted, chunkBytes)),
  };
}

/**
 * Floor and ceiling speak of all that a domain holds; the arena has the part that is not in its budget now.
 * @param budgetBytes the private budget of the domain's programs as it stands.
 */
export function arenaLimits(
  { floor_mib, ceiling_mib }: Pick<Domain, 'floor_mib' | 'ceiling_mib'>,
  budgetBytes: number,
  chunkBytes: number,
): { readonly floorChunks: number; readonly ceilingChunks: number } {
  const beyondBudget = (mib: number): number => Math.max(0, mib * MIB - budgetBytes);
  return {
    floorChunks: roundUp(beyondBudget(floor_mib), chunkBytes) / chunkBytes,
    ceilingChunks: Math.floor(beyondBudget(ceiling_mib) / chunkBytes),
  };
}

/** A domain that offers are made to. */
export interface Claimant {
  /** Chunks that the domain has claimed: leased or in its reserve. */
  readonly heldChunks: number;
  readonly floorChunks: number;
  /** Its part of what is left when the floors are made up, over the sum of all. */
  readonly weight: number;
}

/** Share of the pool that stays with nobody, for whoever needs more than was offered. */
const UNOFFERED_SHARE = 0.25;

/**
 * Chunks to keep offered to each domain. First of all what it lacks to its floor: nobody takes that from it. Then most of
 * the rest of the pool, by weight.
 * @param poolChunks what belongs to no domain, offers included.
 */
export function shareOffers(poolChunks: number, claimants: readonly Claimant[]): number[] {
  const lacking = claimants.map(({ floorChunks, heldChunks }) => Math.max(0, floorChunks - heldChunks));
  const rest = Math.max(0, poolChunks - lacking.reduce((all, each) => all + each, 0));
  const offerable = Math.floor(rest * (1 - UNOFFERED_SHARE));
  const whole = claimants.reduce((all, { weight }) => all + weight, 0);
  return claimants.map(({ weight }, at) => lacking[at]! + (whole > 0 ? Math.floor((offerable * weight) / whole) : 0));
}
