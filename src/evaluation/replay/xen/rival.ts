import type { ConfigInput } from '../../../config/schema.ts';
import type { GuestAddress } from './guest-program.ts';
import type { Holdings } from './holdings.ts';
import type { StudySizes } from './schedule.ts';

/** What a rival has at hand, in dom0. Each guest holds half of the total when it begins, and is capped there. */
export interface StudyBoard {
  readonly guests: readonly GuestAddress[];
  /** Of dom0, on the bridge between the domains. */
  readonly ownAddress: string;
  readonly holdings: Holdings;
  readonly sizes: StudySizes;
  /** memtide's, laid over what the study configures by itself: `pressure`, `policy`, `xen`, `log`. */
  readonly config: Partial<ConfigInput>;
  readonly signal: AbortSignal;
}

/** One way to divide memory between guests. A file each in `rivals/`, and a line in `rivals.ts`. */
export interface Rival {
  readonly name: string;
  /** For people: who moves what, and when. */
  readonly about: string;
  /** It works from then on. */
  begin(board: StudyBoard): Promise<RunningRival>;
}

export interface RunningRival {
  /** What it counted itself, for the report. */
  counts?(): Promise<Readonly<Record<string, number>>>;
  /** Nothing of it goes on; guests stay where they are. */
  end(): Promise<void>;
}
