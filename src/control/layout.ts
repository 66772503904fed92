import { roundUp } from '../units.ts';

/**
 * The byte map of a control file: what a front end (the agent of one domain, and the applications in it) and the back
 * end share. One file a pair; under Xen the same bytes lie on granted pages.
 *
 * ```
 *  byte
 *     0  identity   magic, version, geometry               written once by the back end, before anyone maps the file
 *    64  front line incarnation, heartbeat, targets        written by the front end only
 *   128  back line  incarnation, heartbeat, mode           written by the back end only
 *   192  front bell seq, waiting, pending[8]               rung by the back end and by applications
 *   256  back bell  seq, waiting, pending[8]               rung by the front end (unused where the platform has its own)
 *   320  F→B head (consumer: back end)      one cache line each: the two sides
 *   384  F→B tail (producer: front end)     never write the same line
 *   448  B→F head (consumer: front end)
 *   512  B→F tail (producer: back end)
 *   576  ping       scratch word for the bare futex ping-pong of `memtide bench`
 *  4096  F→B ring   64 entries × 64 bytes
 *  8192  B→F ring   64 entries × 64 bytes
 * 12288  sessions   128 slots × 64 bytes: one for each connected application
 * 20480  ledger     one word a chunk: who may do what with it
 *   ...  blocks     one 16-bit word a block, for chunks that are split
 * ```
 * Everything is little-endian; the sizes are those of a 64-byte cache line (a Cortex-A72 and every x86_64).
 *
 * **Memory ordering.** JavaScript's `Atomics` are sequentially consistent, across processes too, since they compile to
 * the same instructions (LDAR/STLR and LSE or LL/SC loops on arm64, LOCK-prefixed ones on x86_64) whatever the buffer.
 * The rules that make plain accesses safe:
 *  - a ring entry is written with plain stores, then published by `Atomics.store` of the tail; the consumer reads the
 *    tail with `Atomics.load` and sees the entry whole (release/acquire). The same holds for the head and for reuse.
 *  - a ledger word changes owner only by `Atomics.compareExchange`; the memory of the chunk is written only by whoever
 *    the word names. Scrubbing happens before the store that makes a chunk claimable, so a claimer sees zeroes.
 *  - a bell is rung by setting `pending`, then adding to `seq`, then loading `waiting`; the waiter stores `waiting`,
 *    then loads `seq` and `pending`. Sequential consistency forbids that both miss each other (Dekker's argument).
 * A plain read of a word that the other side may change is a hint only, and is always confirmed by an atomic one.
 */
export const MAGIC = 0x4454_4d01; // 'DTM' and a 1: not text, and not a likely fill pattern
export const LAYOUT_VERSION = 1;

export const WORD_BYTES = 4;
export const LINE_WORDS = 16;

/** Word offsets of the identity line. */
export const IDENTITY = {
  magic: 0,
  version: 1,
  byteLength: 2,
  chunkCount: 3,
  chunkShift: 4,
  blockShift: 5,
  sessionSlots: 6,
  domainId: 7,
  arenaId: 8,
} as const;

/** Word offsets of the front end's line. */
export const FRONT = {
  incarnation: 16,
  heartbeat: 17,
  /** Chunks that the front end wants to hold as reserve. */
  reserveTarget: 18,
  /** Chunks that the back end is still to get: as long as there are any, released memory is not the domain's to claim. */
  owedChunks: 19,
} as const;

/** Word offsets of the back end's line. */
export const BACK = {
  incarnation: 32,
  heartbeat: 33,
  /** 0 hypervisor, 1 split: index into MODE_CODES. */
  mode: 34,
  /** Most chunks that the domain may hold. */
  ceilingChunks: 35,
  floorChunks: 36,
} as const;

/** Word offsets within a bell. `pending` is 8 words: 256 sources. */
export const BELL = { seq: 0, waiting: 1, pending: 4 } as const;
export const BELL_PENDING_WORDS = 8;
export const FRONT_BELL = 48;
export const BACK_BELL = 64;

export const FRONT_TO_BACK = { head: 80, tail: 96, entries: 1024 } as const;
export const BACK_TO_FRONT = { head: 112, tail: 128, entries: 2048 } as const;
export const PING = 144;

export const RING_ENTRIES = 64;
export const ENTRY_WORDS = 16;

export const SESSIONS = 3072;
export const SESSION_WORDS = 16;
export const SESSION_SLOTS = 128;
/** Word offsets within a session slot. */
export const SESSION = {
  /** SESSION_FREE, SESSION_ACTIVE, SESSION_CLOSING. */
  state: 0,
  pid: 1,
  /**
   * Written by the application, in this order; `requestSeq` last. A request for 0 chunks asks only for what the domain
   * has itself to be scrubbed, and withdraws the one before it.
   */
  requestChunks: 2,
  requestDeadlineMicros: 3,
  requestSeq: 4,
  /** Written by the front end; `responseSeq` last. The application waits on it (futex). */
  responseChunks: 5,
  responseStatus: 6,
  responseSeq: 7,
  /** Chunks that the front end asks the application to let go; 0 when nothing is asked. */
  reclaimChunks: 8,
  reclaimSeq: 9,
  /** KiB that its leases hold beyond what was asked for (rounding to blocks and chunks): kept by the application. */
  slackKib: 10,
  /** Stage times of the last response, in microseconds. */
  decideMicros: 11,
  releaseMicros: 12,
  /** Chunks that the application holds in revocable leases, kept by the application: a hint for donor choice. */
  revocableChunks: 13,
  /** How the application waits: WAITS_NOT, WAITS_FUTEX (a blocked thread) or WAITS_PIPE (an event loop). */
  waits: 14,
  /** Raised whenever the slot gets a new owner. */
  generation: 15,
} as const;

export const WAITS_NOT = 0;
export const WAITS_FUTEX = 1;
export const WAITS_PIPE = 2;

export const SESSION_FREE = 0;
export const SESSION_ACTIVE = 1;
/** Its application has ended or has said goodbye; its leases are being taken back. */
export const SESSION_CLOSING = 2;

export const LEDGER = 5120;

/** Sizes that shape a control file and the arena that it speaks of. */
export interface Geometry {
  /** Chunks in the arena: 1 to MAX_CHUNKS. */
  readonly chunkCount: number;
  /** log2 of a chunk's bytes: 18 (256 KiB) to 23 (8 MiB). A huge page (2 MiB) unless the arena is small. */
  readonly chunkShift: number;
  /** log2 of a block's bytes: the smallest lease. 16 (64 KiB), the largest base page of an arm64 kernel. */
  readonly blockShift: number;
}

export const BLOCK_SHIFT = 16;
/** Large enough for any arena that one view can show (3 GiB) in chunks of the smallest size. */
export const MAX_CHUNKS = 16_384;

export const blocksPerChunk = ({ chunkShift, blockShift }: Geometry): number => 1 << (chunkShift - blockShift);

/** Index of the first 16-bit word of the block table. */
export const blockTable = ({ chunkCount }: Geometry): number => (LEDGER + roundUp(chunkCount, LINE_WORDS)) * 2;

/** A control file is a whole number of these, whatever the page size of the kernel. */
export const CONTROL_PAGE_BYTES = 4096;

/** Bytes of a control file of this geometry, in whole pages. 64 KiB carries an arena of 1.25 GiB. */
export function controlBytes(geometry: Geometry): number {
  return roundUp((blockTable(geometry) + geometry.chunkCount * blocksPerChunk(geometry)) * 2, CONTROL_PAGE_BYTES);
}

/**
 * States of a chunk, in the low 4 bits of its ledger word; bits 4 to 15 hold the session that the state speaks of.
 *
 * ```
 *              back end offers                      application claims
 *     NONE ──────────────────────▶ OFFERED ─────────────────────────┐      (tier 1)
 *      ▲ ▲                            │ front end takes ahead       ▼
 *      │ └────────────────────────────┤                          LEASED ◀── PROMISED ◀── back end (tier 2)
 *      │   back end withdraws         ▼       application claims    │
 *      │                           RESERVED ───────────────────────▶│      (tier 0)
 *      │ back end takes               │  ▲                          │ release, or death of the session
 *      │                     gives    │  │ scrubbed by front end    ▼
 *   RETURNING ◀───────────────────────┘  └─────────────────────── DIRTY
 *      ▲                                                            │
 *      └────────────────────────────────────────────────────────────┘ while the back end asks for memory
 * ```
 * SPLIT chunks are shared by small leases: their blocks have words of their own.
 * An application that finds too little clean memory goes from DIRTY straight to LEASED, and zeroes the chunk itself.
 */
export const STATE = {
  none: 0,
  offered: 1,
  reserved: 2,
  promised: 3,
  leased: 4,
  leasedRevocable: 5,
  splitting: 6,
  split: 7,
  merging: 8,
  dirty: 9,
  scrubbing: 10,
  returning: 11,
} as const;

export const stateOf = (word: number): number => word & 0xf;
export const sessionOf = (word: number): number => (word >>> 4) & 0xfff;
export const wordOf = (state: number, session = 0): number => state | (session << 4);

/** Values of a block's word: 0 while its chunk is not split, else one of these or 16 + session. */
export const BLOCK = { none: 0, free: 1, dirty: 2, scrubbing: 3, sessionBase: 16 } as const;

/** What an entry of a ring says; the fields that follow are words 2 and up. */
export const OP = {
  /** Either side, answered by `noopReply` with the same words: the bare handshake. */
  noop: 1,
  noopReply: 2,
  /** Bare futex ping-pong on the ping word, `count` times, by the thread that serves the ring. */
  ping: 3,
  /** F→B: id, session, chunks, deadlineMicros, atMicros. Session 0: a refill of offers, off the critical path. */
  need: 4,
  /** B→F: id, session, chunks, status, decideMicros, releaseMicros. Session 0: so many chunks were offered. */
  given: 5,
  /** B→F: id, chunks, deadlineMicros. */
  revoke: 6,
  /** F→B: id, chunks: that many are in state RETURNING; final (0 or 1). */
  returned: 7,
} as const;

/** Status words of `given`. */
export const GIVEN = { ok: 0, empty: 1, ceiling: 2, deadline: 3, invalid: 4 } as const;

export const MODE_CODES = ['hypervisor', 'split'] as const;
