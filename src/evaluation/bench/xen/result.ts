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
  readonly left_out: ReadonlyArray<{ readonly bytes: number; readonly reason: string }>;
}
