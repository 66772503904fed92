import type { Geometry } from '../../src/control/layout.ts';
import type { PairLimits } from '../../src/coordination/pair-limits.ts';
import type { BudgetSizes } from './budget.ts';
import type { Mutation } from './hostile-domain.ts';

/** How often something goes wrong. Chances are per turn unless said otherwise; left out: never. */
export interface Faults {
  /** Between two steps. */
  readonly killApplication?: number;
  readonly killAgent?: number;
  readonly killBackend?: number;
  /** Of each cut through the middle of a step. */
  readonly deadInMidMove?: number;
  readonly stoppedInMidMove?: number;
  readonly stopApplication?: number;
  readonly stopAgent?: number;
  readonly stopBackend?: number;
  /** How long whoever is stopped stays so. */
  readonly stoppedMicros?: readonly [shortest: number, longest: number];
  /** Somebody becomes slow, or fast again. */
  readonly slow?: number;
  /** Of each ring of a bell. */
  readonly lostRing?: number;
  /** The monotonic clock runs on while nobody does (a suspended machine). */
  readonly clockJump?: number;
  /** Of all applications: those that never let go when asked, and those that do now and then. */
  readonly stuck?: number;
  readonly intermittent?: number;
  /** The first domain writes what it likes into its control file. */
  readonly hostile?: number;
  /** What it writes; left out: all kinds. */
  readonly mutations?: readonly Mutation[];
}

export interface Scenario {
  readonly name: string;
  readonly domains: number;
  /** Of each domain. */
  readonly applications: number;
  readonly geometry: Geometry;
  /** Chunks that have memory at the start. */
  readonly presentChunks: number;
  readonly limits: PairLimits;
  readonly largestLeaseChunks: number;
  readonly split?: boolean;
  readonly stuckBackoffMicros?: number;
  /** Offers stay as the limits say. */
  readonly steadyOffers?: boolean;
  readonly budgets?: BudgetSizes;
  /** Largest share of a step that is cut in its middle by others' steps; 0 to 1. */
  readonly cuts: number;
  readonly faults: Faults;
  /** Steps in the suite; any number by option. */
  readonly steps: number;
}

/** The safety mechanisms that are switched on and off in the world rather than in the product's code. */
export interface Safeguards {
  /** Memory is really zeroed. */
  readonly scrubbing: boolean;
  /** A stopped process is not taken for a dead one. */
  readonly proofOfDeath: boolean;
  /** Whoever sleeps wakes up by itself in the end. */
  readonly looksRound: boolean;
  /** The planes obey floors and ceilings. */
  readonly floors: boolean;
  readonly ceilings: boolean;
  /** The mover obeys its token bucket and step cap. */
  readonly brakes: boolean;
  /** A donor's answer is waited for. */
  readonly confirmedOnly: boolean;
  /** The back end believes its own books, and not what a ledger says of others' chunks. */
  readonly privateBooks: boolean;
  /** Who claims, and who scrubs, looks into the books first. */
  readonly claimsByBooks: boolean;
  readonly scrubsByBooks: boolean;
}

export const ALL_SAFEGUARDS: Safeguards = {
  scrubbing: true,
  proofOfDeath: true,
  looksRound: true,
  floors: true,
  ceilings: true,
  brakes: true,
  confirmedOnly: true,
  privateBooks: true,
  claimsByBooks: true,
  scrubsByBooks: true,
};
