import type { Geometry } from '../control/layout.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { Mode } from '../records.ts';
import type { PairLimits } from './pair-limits.ts';

/**
 * What a front end and the back end of one machine say to each other on the slow plane: one JSON object a line over the
 * back end's Unix socket. Requests for arena memory do not come this way; they go through the control file.
 */

/** Front end to back end. */
export type BackendCall =
  | { readonly op: 'hello'; readonly domain: string; readonly pid: number }
  /** How the domain's unmodified programs are, several times a second; no answer. */
  | {
      readonly op: 'report';
      readonly usedBytes: number;
      readonly limitBytes: number;
      /** What they should be allowed to hold soon. */
      readonly wantedBytes: number;
      readonly programs: number;
      readonly pressured: boolean;
    }
  /** A burst that was served: the back end sizes reserve and pool from these. */
  | { readonly op: 'burst'; readonly bytes: number; readonly atMicros: number; readonly totalMicros: number }
  /** The budget has moved by `changeBytes`, in answer to a notice; 0 when it was refused. */
  | { readonly op: 'moved'; readonly id: number; readonly changeBytes: number; readonly limitBytes: number }
  | { readonly op: 'status' };

/** Back end to front end. */
export type BackendReply =
  | { readonly ok: true; readonly hello: FrontendWelcome }
  | { readonly ok: true; readonly status: unknown }
  /** `busy`: an agent of this domain is connected; it may be one that has just been killed. */
  | { readonly ok: false; readonly error: string; readonly busy?: true };

/** What the back end says unasked. */
export type BackendNotice =
  /** How much reserve the joint distribution of all bursts asks of this domain. */
  | { readonly notice: 'reserve'; readonly bytes: number }
  /** How far the budget may be moved from now on. */
  | { readonly notice: 'limits'; readonly floorBytes: number; readonly ceilingBytes: number }
  /** The budget of the domain's programs is to change; donors do so before recipients are told. */
  | { readonly notice: 'budget'; readonly id: number; readonly changeBytes: number };

export interface FrontendWelcome {
  readonly domain: string;
  readonly pairId: number;
  readonly domainDirectory: string;
  readonly backendBell: string;
  readonly keep: string;
  /** The table of owners, mapped read-only. */
  readonly owners: string;
  /** Tells one arena from its successor: what is held of one means nothing in another. */
  readonly arenaId: number;
  readonly arena: ArenaSource;
  readonly geometry: Geometry;
  readonly doorbell: 'futex' | 'fifo';
  readonly mode: Mode;
  readonly limits: PairLimits;
  /** What the domain's programs may hold now: where its agent begins. Absent before anything is known of it. */
  readonly budgetBytes?: number;
  /** Where the embedded broker listens; absent when there is none. */
  readonly brokerUrl?: string;
}
