import type { XenCounts } from './request-counts.ts';

/** What `memtide bench --xen --json` prints. Units are in the keys; on an emulated board every time is emulated. */
export interface XenRow {
  readonly case: string;
  readonly bytes: number;
  readonly n: number;
  /** From the request until all of it was touched. */
  readonly p50_us: number;
  readonly min_us: number;
  readonly max_us: number;
  /** Of that, until the guest held it; and the touch. */
  readonly usable_p50_us: number;
  readonly touch_p50_us: number;
}

export interface XenBenchResult {
  readonly platform: 'xen';
  readonly environment: {
    readonly date: string;
    /** As its firmware calls it, to dom0: a guest sees Xen's. */
    readonly machine: string;
    /** Nothing but ratios says something then. */
    readonly emulated: boolean;
    readonly cpu: string;
    readonly kernel: string;
    readonly node: string;
    readonly load_1min: number;
    readonly guest_mib: number;
    readonly rounds: number;
  };
  readonly rows: readonly XenRow[];
  /** p50 of `xen-pool` over that of another case, at the same size. */
  readonly ratios: ReadonlyArray<{
    readonly bytes: number;
    readonly against: string;
    readonly xen_pool_p50_ratio: number;
  }>;
  /** What each request took to serve, counted in rounds of their own. */
  readonly counts: readonly XenCounts[];
  /** One byte to another process of this guest and back. */
  readonly pipe_round_trip: { readonly n: number; readonly p50_us: number };
  /** p50 of `xen-lease` less that of `touch-only`, at the same size; and how many of the round trips above that is. */
  readonly leases: ReadonlyArray<{
    readonly bytes: number;
    readonly gap_us: number;
    readonly pipe_round_trips: number;
  }>;
  /** Sizes; or one case only, where it is named, at one size or at all. */
  readonly left_out: ReadonlyArray<{ readonly bytes?: number; readonly case?: string; readonly reason: string }>;
}
