import type { Bytes, Micros } from './units.ts';

/** Where the bytes of a burst came from. */
export const TIERS = ['reserve', 'pool', 'peer'] as const;
/** `reserve` is tier 0, `pool` tier 1, `peer` tier 2. */
export type Tier = (typeof TIERS)[number];

/** `split`: tier 2 only, the first design. `hypervisor`: 0, then 1, then 2. */
export const MODES = ['split', 'hypervisor'] as const;
export type Mode = (typeof MODES)[number];

/** Whether a figure speaks of one domain or of the machine that all domains share. */
export type Scope = 'domain' | 'machine';

/**
 * One reading of memory pressure. A figure that could not be read is absent, never 0; `missing` says why.
 */
export interface PressureSample {
  readonly atMicros: Micros;
  /** Whom `psi`, `vmstat` and `available` speak of. */
  readonly scope: Scope;
  /** Memory in use by the domain's programs. */
  readonly usedBytes?: Bytes;
  /** What the domain may hold now: its budget, limit or reservation. */
  readonly limitBytes?: Bytes;
  /** What could still be had within `limitBytes`, or `MemAvailable` where the scope is the machine. */
  readonly availableBytes?: Bytes;
  readonly psi?: PsiReading;
  readonly vmstat?: VmstatReading;
  readonly missing?: ReadonlyArray<{ readonly source: string; readonly reason: string }>;
}

/** /proc/pressure/memory: share of wall time in percent over the kernel's windows, and the running totals. */
export interface PsiReading {
  readonly someAvg10Percent: number;
  readonly fullAvg10Percent: number;
  readonly someTotalMicros: number;
  readonly fullTotalMicros: number;
}

/** Running counters of /proc/vmstat, in events since boot. */
export interface VmstatReading {
  readonly majorFaults: number;
  readonly pagesScannedDirect: number;
  readonly pagesScannedBackground: number;
  readonly oomKills: number;
  readonly allocationStalls: number;
}

/** Microseconds spent in each stage of serving a burst; absent when the stage did not happen. */
export interface BurstStages {
  /** From the first need to its detection; only for needs that were sensed, not for those that were asked for. */
  readonly detectMicros?: number;
  /** Requester to backend. */
  readonly notifyMicros?: number;
  /** Backend's decision: donor choice included. */
  readonly decideMicros?: number;
  /** Donor letting go, and the scrubbing of what it returned. */
  readonly releaseMicros?: number;
  /** From the decision (or, in tiers 0 and 1, from the request) to a usable lease. */
  readonly populateMicros?: number;
  /** Writing every byte once. */
  readonly touchMicros?: number;
}

/** A local allocation of the same size, timed in the same domain at a quiet moment. */
export type LocalProbe =
  | {
      readonly kind: 'measured';
      /** malloc and touch of fresh pages. */
      readonly freshMicros: number;
      /** The fastest local way: warm reuse, huge pages. */
      readonly bestMicros: number;
      readonly bestWay: 'warm' | 'huge';
    }
  | { readonly kind: 'skipped'; readonly reason: string };

/** One burst, as served. Raw: percentiles are computed when read. */
export interface BurstRecord {
  readonly id: string;
  readonly domain: string;
  /** Monotonic instant of the request. */
  readonly atMicros: Micros;
  readonly requestedBytes: Bytes;
  /** Bytes by the tier that gave them; their sum is what was granted. */
  readonly tierBytes: Readonly<Record<Tier, number>>;
  readonly mode: Mode;
  readonly outcome: 'served' | 'refused';
  readonly refusal?: string;
  readonly stages: BurstStages;
  /** Request to usable and touched. */
  readonly totalMicros: number;
  /** Memory that the domain held idle (reserve and offers) when the burst came. */
  readonly idleBytes: Bytes;
  readonly probe?: LocalProbe;
}
