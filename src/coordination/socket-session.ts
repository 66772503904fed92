import type net from 'node:net';
import { monotonicMicros } from '../clock.ts';
import type { ChunkSpace } from '../platforms/arena/chunk-space.ts';
import type { Claimed, LeaseHolder, Refusal } from '../platforms/contracts.ts';
import { formatBytes } from '../units.ts';
import { BorrowAttempt } from './borrow-attempt.ts';
import { refusalRemedy, refusalText } from './refusals.ts';
import type { RequestSlot } from './request-slot.ts';
import type { BorrowCall, LeaseReply, ReclaimNotice, SessionFailure } from './session-protocol.ts';

/** Leases that one session may hold over the socket. */
export const MAX_LEASES = 4096;
/** Requests of one session that may wait for other domains. */
export const MAX_WAITING = 64;

/** Running totals over all sessions, for `memtide status`. */
export interface LeaseTotals {
  served: number;
  refused: number;
  reclaimNotices: number;
}

interface HeldLease {
  readonly claimed: Claimed;
  readonly bytes: number;
  readonly chunks: number;
  readonly revocable: boolean;
}

interface Waiting {
  readonly call: BorrowCall;
  readonly receivedMicros: number;
  readonly settle: (reply: LeaseReply | SessionFailure) => void;
}

/**
 * What one session borrows over the socket. The agent claims in the session's name, with the session's number in the
 * ledger, so that its leases live and end as those of any application do: with the session's lock.
 *
 * What is there to be claimed is answered at once. What is not waits for other domains, one request at a time and in
 * order: a later request must not take what was promised to an earlier one. Nothing here blocks the thread.
 */
export class SocketSession {
  readonly #space: ChunkSpace;
  readonly #slot: RequestSlot;
  readonly #pipe: net.Socket;
  readonly #arenaPath: string;
  readonly #ring: () => void;
  readonly #nextLease: () => number;
  readonly #totals: LeaseTotals;
  readonly #leases = new Map<number, HeldLease>();
  #queue: Waiting[] = [];
  #say: ((notice: ReclaimNotice) => void) | undefined;
  #poked = false;

  constructor(parts: {
    readonly space: ChunkSpace;
    readonly slot: RequestSlot;
    /** Becomes readable when the front end has something to say to the session. */
    readonly pipe: net.Socket;
    readonly arenaPath: string;
    /** Wakes the front end in the session's name. */
    readonly ring: () => void;
    readonly nextLease: () => number;
    readonly totals: LeaseTotals;
  }) {
    this.#space = parts.space;
    this.#slot = parts.slot;
    this.#pipe = parts.pipe;
    this.#arenaPath = parts.arenaPath;
    this.#ring = parts.ring;
    this.#nextLease = parts.nextLease;
    this.#totals = parts.totals;
    this.#pipe.on('data', () => this.#woken());
    this.#pipe.unref();
  }

  get leases(): number {
    return this.#leases.size;
  }

  get leasedBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#leases.values()) sum += bytes;
    return sum;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** From now on somebody hears when memory is wanted back; until then, nothing of it counts as revocable. */
  listen(say: (notice: ReclaimNotice) => void): void {
    this.#say = say;
    this.#tellRevocable();
  }

  /** The connection has ended: nobody waits for answers any more, and nobody can be asked. The leases stay. */
  deafen(): void {
    this.#say = undefined;
    this.#queue = [];
    this.#slot.abandon();
    this.#tellRevocable();
  }

  /** The session has ended, and what it held has been taken back. */
  close(): void {
    this.#say = undefined;
    this.#queue = [];
    this.#slot.abandon();
    this.#leases.clear();
    this.#pipe.destroy();
  }

  borrow(call: BorrowCall): LeaseReply | SessionFailure | Promise<LeaseReply | SessionFailure> {
    const receivedMicros = monotonicMicros();
    if (this.#leases.size + this.#queue.length >= MAX_LEASES) {
      return { ok: false, error: `a session holds at most ${MAX_LEASES} leases`, remedy: 'release some' };
    }
    if (this.#queue.length === 0) {
      const reply = this.#claim(call, receivedMicros);
      if (reply) return reply;
    }
    if (this.#queue.length >= MAX_WAITING) {
      return { ok: false, error: `${MAX_WAITING} requests of the session wait already`, remedy: 'await some answers' };
    }
    return new Promise((settle) => {
      this.#queue.push({ call, receivedMicros, settle });
      if (this.#queue.length === 1) void this.#serveQueue();
    });
  }

  /** @returns the bytes released, or undefined when the session holds no such lease. */
  release(lease: number): number | undefined {
    const held = this.#leases.get(lease);
    if (!held) return undefined;
    this.#leases.delete(lease);
    this.#space.release(held.claimed);
    if (held.revocable) this.#tellRevocable();
    this.#ring();
    return held.bytes;
  }

  releaseAll(): void {
    for (const lease of [...this.#leases.keys()]) this.release(lease);
  }

  async #serveQueue(): Promise<void> {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      const reply = await this.#fromPeers(next);
      if (!reply) return;
      this.#queue.shift();
      next.settle(reply);
    }
  }

  /** @returns undefined when the connection has ended meanwhile. */
  async #fromPeers(waiting: Waiting): Promise<LeaseReply | SessionFailure | undefined> {
    const { call, receivedMicros } = waiting;
    // Waiting its turn behind another request, this one may have become easy to serve, or too late.
    const easy = this.#claim(call, receivedMicros);
    if (easy) return easy;
    const { bytes, revocable, contiguous, deadline_ms } = call;
    if (deadline_ms > 0 && monotonicMicros() - receivedMicros >= deadline_ms * 1000) {
      return this.#refuse(call, 'deadline');
    }
    const holder = contiguous ? inOnePiece(this.#space) : this.#space;
    const attempt = new BorrowAttempt(holder, bytes, revocable, receivedMicros, deadline_ms);
    for (;;) {
      const cleanBytes = this.#space.claimableBytes();
      const chunks = attempt.chunksToAsk();
      const answer = await this.#slot.ask(chunks, attempt.millisLeft(monotonicMicros()), attempt.enough);
      if (this.#queue[0] !== waiting) return undefined;
      const outcome = attempt.judge(answer, monotonicMicros());
      if (outcome && 'claimed' in outcome) return this.#lease(outcome.claimed, call, receivedMicros);
      // There is enough, and the front end has no more to scrub: what is missing is a stretch that is long enough.
      const scattered = contiguous && chunks === 0 && this.#space.claimableBytes() <= cleanBytes;
      if (outcome || scattered) return this.#refuse(call, scattered ? 'fragmented' : outcome!.refusal);
    }
  }

  #claim(call: BorrowCall, receivedMicros: number): LeaseReply | undefined {
    const claimed = this.#space.claim(call.bytes, call.revocable, call.contiguous);
    return claimed && this.#lease(claimed, call, receivedMicros);
  }

  #lease(claimed: Claimed, { bytes, revocable }: BorrowCall, receivedMicros: number): LeaseReply {
    const { reserveBytes: reserve, poolBytes: pool, peerBytes: peer } = claimed;
    const lease = this.#nextLease();
    this.#leases.set(lease, { claimed, bytes, chunks: this.#space.chunksFor(bytes), revocable });
    if (revocable) this.#tellRevocable();
    this.#totals.served++;
    this.#pokeSoon();
    const extents = this.#space.extentsOf(claimed);
    return {
      ok: true,
      lease,
      file: this.#arenaPath,
      extents,
      ...(extents.length === 1 ? extents[0] : {}),
      tier_bytes: { reserve, pool, peer },
      total_us: Math.round((monotonicMicros() - receivedMicros) * 10) / 10,
    };
  }

  #refuse({ bytes }: BorrowCall, refusal: Refusal): SessionFailure {
    this.#totals.refused++;
    return {
      ok: false,
      error: `cannot borrow ${formatBytes(bytes)}: ${refusalText(refusal)}`,
      refusal,
      remedy: refusalRemedy(refusal),
    };
  }

  /** An answer to a request that waits, memory wanted back, or both. */
  #woken(): void {
    const wantedBytes = this.#slot.woken() * this.#space.chunkBytes;
    let wanted = wantedBytes;
    // Oldest first: what was cached longest ago is the least likely to be missed.
    for (const [lease, { revocable, chunks }] of this.#leases) {
      if (wanted <= 0 || !this.#say) return;
      if (!revocable) continue;
      wanted -= chunks * this.#space.chunkBytes;
      this.#totals.reclaimNotices++;
      this.#say({ notice: 'reclaim', lease, wanted_bytes: wantedBytes });
    }
  }

  #tellRevocable(): void {
    let chunks = 0;
    if (this.#say) for (const lease of this.#leases.values()) if (lease.revocable) chunks += lease.chunks;
    this.#slot.tellRevocable(chunks);
  }

  /** Lets the front end look at its reserve, after the client has got its answer: never on the way to it. */
  #pokeSoon(): void {
    if (this.#poked) return;
    this.#poked = true;
    setImmediate(() => {
      this.#poked = false;
      this.#ring();
    });
  }
}

/** The same memory, for who can use it in one stretch only. */
const inOnePiece = (space: ChunkSpace): LeaseHolder => ({
  chunkBytes: space.chunkBytes,
  blockBytes: space.blockBytes,
  claim: (bytes, revocable) => space.claim(bytes, revocable, true),
  release: (claimed) => space.release(claimed),
  missingChunks: (bytes, revocable) => space.missingChunks(bytes, revocable),
  dropPromises: () => space.dropPromises(),
});
