import type { Geometry } from '../control/layout.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { Extent, Refusal } from '../platforms/contracts.ts';
import type { BurstRecord, Tier } from '../records.ts';

/**
 * What an application and its domain's agent say to each other on the agent's Unix socket: one JSON object a line.
 * For people who write a client in another language, all of it is in SOCKET.md beside this file.
 *
 * An application that can map the control file (client/connection.ts) only connects, says goodbye and reports its bursts
 * here. Others borrow here as well: `borrow`, `release`, `bye`.
 */
export const SESSION_PROTOCOL_VERSION = 1;

/** By what a reply is told from others; repeated as it was. */
export type CallId = number | string;

/**
 * Who holds the session's lock, and with it the session's leases: the application's own process (`client`), or the agent
 * on its behalf, for as long as the connection lasts (`agent`).
 */
export type LockHolder = 'client' | 'agent';

export interface BorrowCall {
  readonly op: 'borrow';
  readonly bytes: number;
  /** How long to wait for other domains to let go. */
  readonly deadline_ms: number;
  readonly revocable: boolean;
  /** One extent or nothing. */
  readonly contiguous: boolean;
}

/** A burst as the application tells it. */
export type BurstTold = Omit<BurstRecord, 'id' | 'domain' | 'mode' | 'probe'>;

/** Application to agent, as read: every field checked, and those that were left out filled in (session-calls.ts). */
export type SessionCall =
  | {
      readonly op: 'hello';
      readonly version: number;
      /** For people who look at the session; 0 when it was not told. */
      readonly pid: number;
      readonly session?: number;
      readonly locks: LockHolder;
    }
  /** The session's lock is held and its pipe is open. */
  | { readonly op: 'ready' }
  | BorrowCall
  | { readonly op: 'release'; readonly lease: number }
  /** Releases what was borrowed on this socket, and ends the connection. */
  | { readonly op: 'bye' }
  | { readonly op: 'burst'; readonly burst: BurstTold }
  /** A program of the domain has been started under its budget, or has ended. */
  | { readonly op: 'program'; readonly pid: number; readonly ended?: boolean }
  | { readonly op: 'status' };

/** Agent to application. */
export type SessionReply =
  | { readonly ok: true; readonly hello: SessionWelcome }
  | { readonly ok: true; readonly ready: true }
  | LeaseReply
  | { readonly ok: true; readonly released: number }
  | { readonly ok: true; readonly bye: true }
  | { readonly ok: true; readonly noted: true }
  | {
      readonly ok: true;
      readonly program: { readonly limitBytes: number; readonly enforcedBy: string; readonly atTheLimit?: string };
    }
  | { readonly ok: true; readonly status: unknown }
  | SessionFailure;

export interface SessionFailure {
  readonly ok: false;
  readonly error: string;
  readonly expected?: string;
  /** Why a request for memory was not met, in one word. */
  readonly refusal?: Refusal;
  readonly remedy?: string;
}

/** A lease, and where it lies in the arena file. */
export interface LeaseReply {
  readonly ok: true;
  readonly lease: number;
  readonly file: string;
  readonly extents: readonly Extent[];
  /** Those of the only extent; absent where there are several. */
  readonly offset?: number;
  readonly length?: number;
  readonly tier_bytes: Readonly<Record<Tier, number>>;
  /** From the arrival of the request to this reply. */
  readonly total_us: number;
}

/** Said unasked: the memory of a revocable lease is wanted elsewhere, and should be released soon. */
export interface ReclaimNotice {
  readonly notice: 'reclaim';
  readonly lease: number;
  /** How much is wanted in all, of this and perhaps other leases. */
  readonly wanted_bytes: number;
}

export interface SessionWelcome {
  readonly domain: string;
  readonly session: number;
  /** The session lives while somebody holds an exclusive lock on this byte of this file. */
  readonly lock: { readonly file: string; readonly byte: number };
  readonly domainDirectory: string;
  readonly arena: ArenaSource;
  readonly geometry: Geometry;
  readonly doorbell: 'futex' | 'fifo';
  readonly keep: string;
  /** The table of owners and what it says of chunks that are this domain's: they alone may be claimed. */
  readonly owners: string;
  readonly arenaId: number;
  readonly pairId: number;
  /** Under Xen, where there are no files: the control file lies on pages that the agent grants to dom0. */
  readonly granted?: GrantedControl;
}

/** By these a process of the same user gets at the agent's granted pages (pidfd_getfd(2)), and maps them. */
export interface GrantedControl {
  readonly pid: number;
  readonly fd: number;
  /** Where they start in the device. */
  readonly index: number;
  readonly byteLength: number;
}

/** Splits a stream of bytes into lines; a line longer than `limit` ends the stream with an error. */
export class LineSplitter {
  #rest = '';
  readonly #limit: number;

  constructor(limit = 64 * 1024) {
    this.#limit = limit;
  }

  /** @returns the whole lines so far. @throws RangeError when a line is too long. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > this.#limit) throw new RangeError(`a line of more than ${this.#limit} characters`);
    return lines;
  }
}
