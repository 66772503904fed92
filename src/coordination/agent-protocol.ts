import type { Geometry } from '../control/layout.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { Mode } from '../records.ts';
import type { PairLimits } from './pair-limits.ts';

/**
 * What a front end and the back end of one machine say to each other on the slow plane: one JSON object a line over the
 * back end's Unix socket. Requests for arena memory go through the control file, and come this way while that is stale.
 */

/** Front end to back end. */
export type BackendCall =
  | {
      readonly op: 'hello';
      readonly domain: string;
      readonly pid: number;
      /** Where the budget of the domain's programs stands; left out by an agent that has just started. */
      readonly limitBytes?: number;
    }
  /** How the domain's unmodified programs are, several times a second; no answer. */
  | {
      readonly op: 'report';
      readonly usedBytes: number;
      readonly limitBytes: number;
      /** What they should be allowed to hold soon. */
      readonly wantedBytes: number;
      readonly programs: number;
      readonly pressured: boolean;
      /** The last budget notice that the agent has acted upon; 0 before the first. */
      readonly lastId?: number;
    }
  /** A burst that was served: the back end sizes reserve and pool from these. */
  | { readonly op: 'burst'; readonly bytes: number; readonly atMicros: number; readonly totalMicros: number }
  /** The budget has moved by `changeBytes`, in answer to a notice; 0 when it was refused. */
  | { readonly op: 'moved'; readonly id: number; readonly changeBytes: number; readonly limitBytes: number }
  /** A request for arena memory, while the shared memory of the pair is stale: as `OP.need` of the ring. */
  | ({ readonly op: 'need' } & NeedOverLink)
  /** Not a front end: whoever may open the socket. */
  | { readonly op: 'status' }
  | ({ readonly op: 'room' } & RoomCall);

/** Memory to be collected in Xen's free heap for a guest that is to be created. */
export interface RoomCall {
  readonly byteLength: number;
  readonly waitMillis: number;
  /** For so long others are kept from it, unless the guest is there before. */
  readonly holdMillis: number;
  /** Its name; left out: whichever comes next. */
  readonly guest?: string;
}

/** A request of a session. It may be told more than once, and on more than one way: `id` says which it is. */
export interface NeedOverLink {
  readonly id: number;
  readonly session: number;
  readonly chunks: number;
  readonly deadlineMicros: number;
}

/** The answer: what was promised is in the ledger. */
export interface GivenOverLink {
  readonly id: number;
  readonly session: number;
  readonly chunks: number;
  /** One of `GIVEN`. */
  readonly status: number;
  readonly decideMicros: number;
  readonly releaseMicros: number;
}

/** Back end to front end. */
export type BackendReply =
  | { readonly ok: true; readonly hello: FrontendWelcome }
  | { readonly ok: true; readonly status: unknown }
  /** Whether it was collected in time. */
  | { readonly ok: true; readonly room: boolean }
  /** `busy`: an agent of this domain is connected; it may be one that has just been killed. */
  | { readonly ok: false; readonly error: string; readonly busy?: true };

/** What the back end says unasked. */
export type BackendNotice =
  /** How much reserve the joint distribution of all bursts asks of this domain. */
  | { readonly notice: 'reserve'; readonly bytes: number }
  /** How far the budget may be moved from now on. */
  | { readonly notice: 'limits'; readonly floorBytes: number; readonly ceilingBytes: number }
  /** The budget of the domain's programs is to change; donors do so before recipients are told. */
  | { readonly notice: 'budget'; readonly id: number; readonly changeBytes: number }
  /** The answer to a request that came over the slow link. */
  | ({ readonly notice: 'given' } & GivenOverLink);

export interface FrontendWelcome {
  readonly domain: string;
  /** This life of the back end: budget notices are numbered within it. */
  readonly epoch: number;
  /** Where the budget of the domain's programs stands, by the back end's books. */
  readonly budgetBytes?: number;
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
  /** Where the embedded broker listens; absent when there is none. */
  readonly brokerUrl?: string;
}
