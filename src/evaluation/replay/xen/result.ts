/** What `memtide bench --xen-replay FILE --json` prints. Units are in the keys; on an emulated board every time is emulated. */
export interface GuestRow {
  readonly guest: string;
  readonly psi_some_us: number;
  readonly psi_full_us: number;
  /** By the guest's kernel; and of these, of the program that plays. */
  readonly oom_kills: number;
  readonly kills: number;
  readonly requests: number;
  readonly found: number;
  readonly short: number;
  readonly lost: number;
  /** Steps that began more than 100 ms after their time. */
  readonly late_steps: number;
  readonly latest_us: number;
  /** From mapping to the last byte written, over all requests; and the longest. */
  readonly writing_us: number;
  readonly longest_write_us: number;
  readonly least_available_bytes: number;
  readonly mean_held_bytes: number;
  /** By Xen, when the play had ended. */
  readonly held_at_end_bytes: number;
  readonly cap_at_end_bytes: number | undefined;
}

export interface PlayRow {
  readonly rival: string;
  readonly round: number;
  readonly guests: readonly GuestRow[];
  readonly free_at_end_bytes: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** Over both guests; the median over rounds. */
export interface RivalRow {
  readonly rival: string;
  readonly n: number;
  readonly psi_some_us: number;
  readonly psi_full_us: number;
  /** Over all rounds. */
  readonly oom_kills: number;
  readonly kills: number;
  /** What found its memory there, over all requests of all rounds. */
  readonly hit_rate: number;
  readonly short: number;
  readonly lost: number;
  readonly late_steps: number;
  readonly latest_us: number;
  readonly writing_us: number;
  readonly longest_write_us: number;
  /** Over time, by both guests. */
  readonly mean_held_bytes: number;
}

export interface ReplayStudyResult {
  readonly platform: 'xen';
  readonly environment: {
    readonly date: string;
    readonly cpu: string;
    readonly kernel: string;
    readonly node: string;
    readonly load_1min: number;
    readonly total_bytes: number;
    readonly floor_bytes: number;
    readonly boot_bytes: number;
    readonly peak_bytes: number;
    readonly slot_s: number;
    readonly play_s: number;
    readonly recordings: readonly string[];
    readonly rounds: number;
    /** What each guest needs before anything is played. */
    readonly own_bytes: Readonly<Record<string, number>>;
    /** Their own and their programs' peaks, added up; and the most at any one time. */
    readonly peaks_bytes: number;
    readonly together_bytes: number;
  };
  readonly rivals: readonly RivalRow[];
  readonly bounds: ReadonlyArray<{
    readonly what: string;
    /** Left out where there is nothing to compare with: the other did not stall at all. */
    readonly measured?: number;
    readonly most: number;
    readonly met: boolean;
  }>;
  readonly plays: readonly PlayRow[];
}
