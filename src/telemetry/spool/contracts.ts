import type { StoredRecord } from './segment-format.ts';

/** What the uplink needs of a spool. */
export interface StoredFeed {
  /** Takes a message into the spool. @returns its number; `undefined` where that cannot be: it may be sent another way. */
  keep(leaf: string, payload: object): number | undefined;
  /** A connection stands. @param onReady is called when `next` may have something. */
  connect(onReady: () => void): void;
  /** The connection is lost: what was not yet taken goes to the backlog; what was is still under way. */
  disconnect(): void;
  /** The client is gone, and with it all that was under way. */
  release(): void;
  /** The next record to send, with its content as it goes out. It stays in hand until `delivered` or `refused`. */
  next(): StoredRecord | undefined;
  delivered(seq: number): void;
  /** The broker would not have it: it stays in the backlog, which pauses. */
  refused(seq: number): void;
  /** A message on the watermark's topic. */
  hear(content: Buffer): void;
  status(): FeedStatus;
}

/** In the words of `memtide status --json`. */
export interface SpoolStatus {
  readonly id: string;
  readonly bytes: number;
  readonly cap_bytes: number;
  /** Written, and by no broker acknowledged. */
  readonly unsent: number;
  /** Held, and by no sink confirmed. */
  readonly unconfirmed: number;
  readonly acknowledged_seq: number;
  readonly watermark: number;
  readonly has_sink: boolean;
  /** Messages lost since the spool was made, and the gap records that tell of them. */
  readonly dropped: number;
  readonly gaps: number;
  /** Cut off at openings. */
  readonly damaged_bytes: number;
  /** Messages that the spool could not take since this start: sent unspooled, if at all. */
  readonly refused: number;
  /** Why the disk does not work now. */
  readonly problem?: string;
}

export interface FeedStatus extends SpoolStatus {
  /** Times that a sink had to be sent something again. */
  readonly resends: number;
  /** What was said on the watermark's topic and not believed. */
  readonly bad_watermarks: number;
}
