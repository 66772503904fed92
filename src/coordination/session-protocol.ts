import type { Geometry } from '../control/layout.ts';
import type { ArenaSource } from '../platforms/arena/arena-file.ts';
import type { BurstRecord } from '../records.ts';

/**
 * What an application and its domain's agent say to each other on the agent's Unix socket: one JSON object a line.
 * Everything here is slow plane: connecting, saying goodbye, and reporting bursts after they were served.
 */
export const SESSION_PROTOCOL_VERSION = 1;

/** Application to agent. */
export type SessionCall =
  | { readonly op: 'hello'; readonly version: number; readonly pid: number; readonly session?: number }
  /** The session's lock is held and its pipe is open. */
  | { readonly op: 'ready' }
  | { readonly op: 'burst'; readonly burst: Omit<BurstRecord, 'id' | 'domain' | 'mode' | 'probe'> }
  /** A program of the domain has been started under its budget, or has ended. */
  | { readonly op: 'program'; readonly pid: number; readonly ended?: boolean }
  | { readonly op: 'status' };

/** Agent to application. */
export type SessionReply =
  | { readonly ok: true; readonly hello: SessionWelcome }
  | { readonly ok: true; readonly ready: true }
  | {
      readonly ok: true;
      readonly program: { readonly limitBytes: number; readonly enforcedBy: string; readonly atTheLimit?: string };
    }
  | { readonly ok: true; readonly status: unknown }
  | { readonly ok: false; readonly error: string; readonly remedy?: string };

export interface SessionWelcome {
  readonly domain: string;
  readonly session: number;
  readonly domainDirectory: string;
  readonly arena: ArenaSource;
  readonly geometry: Geometry;
  readonly doorbell: 'futex' | 'fifo';
  readonly keep: string;
  /** The table of owners and what it says of chunks that are this domain's: they alone may be claimed. */
  readonly owners: string;
  readonly arenaId: number;
  readonly pairId: number;
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
