import net from 'node:net';
import type { ControlFile } from '../control/contracts.ts';
import { openFifo } from '../control/fifo-bell.ts';
import { FRONT, type Geometry } from '../control/layout.ts';
import { type OwnerWords, openOwnersFile } from '../control/owner-table.ts';
import { ChunkSpace } from '../platforms/arena/chunk-space.ts';
import { formatBytes } from '../units.ts';
import { RequestSlot } from './request-slot.ts';
import type { DomainFiles } from './run-files.ts';
import type {
  BorrowCall,
  LeaseReply,
  ReclaimNotice,
  SessionFailure,
  SessionReply,
  SessionWelcome,
} from './session-protocol.ts';
import { type LeaseTotals, SocketSession } from './socket-session.ts';

/** Room for the leases of one incarnation of the agent, in the numbers that name them. */
const LEASES_AN_INCARNATION = 1e9;

/** Of what the agent tells applications, what concerns leases. */
type LeaseWelcome = Pick<SessionWelcome, 'arena' | 'owners' | 'arenaId' | 'pairId'>;

/** Leases over the socket, for `memtide status`. */
export interface SocketLeaseFigures {
  readonly leases: number;
  readonly leased_bytes: number;
  readonly waiting: number;
  readonly served: number;
  readonly refused: number;
  readonly reclaim_notices: number;
}

/**
 * Lends memory to applications that speak JSON lines instead of mapping the control file: see SOCKET.md. One
 * `SocketSession` for each session that has ever borrowed this way.
 */
export class SocketLeases {
  readonly #file: ControlFile;
  readonly #geometry: Geometry;
  readonly #files: DomainFiles;
  readonly #welcome: LeaseWelcome;
  readonly #ring: (session: number) => void;
  readonly #sessions = new Map<number, SocketSession>();
  readonly #totals: LeaseTotals = { served: 0, refused: 0, reclaimNotices: 0 };
  #lastLease: number;
  #owners: OwnerWords | undefined;

  /** @param parts.ring wakes the front end in the name of a session. */
  constructor(parts: {
    readonly file: ControlFile;
    readonly geometry: Geometry;
    readonly files: DomainFiles;
    readonly welcome: LeaseWelcome;
    readonly ring: (session: number) => void;
  }) {
    this.#file = parts.file;
    this.#geometry = parts.geometry;
    this.#files = parts.files;
    this.#welcome = parts.welcome;
    this.#ring = parts.ring;
    // A client may outlive the agent: a number that its predecessor gave must never name another lease.
    this.#lastLease = Atomics.load(parts.file.words, FRONT.incarnation) * LEASES_AN_INCARNATION;
  }

  /** @param say how the session is told that memory is wanted back. */
  borrow(
    session: number,
    call: BorrowCall,
    say: (notice: ReclaimNotice) => void,
  ): SessionReply | Promise<LeaseReply | SessionFailure> {
    if (call.bytes > this.#welcome.arena.byteLength) {
      return {
        ok: false,
        error: `cannot borrow ${formatBytes(call.bytes)}`,
        expected: `at most ${this.#welcome.arena.byteLength} bytes (the size of the arena)`,
      };
    }
    let borrower = this.#sessions.get(session);
    if (!borrower) {
      borrower = this.#open(session);
      borrower.listen(say);
    }
    return borrower.borrow(call);
  }

  release(session: number, lease: number): SessionReply {
    const released = this.#sessions.get(session)?.release(lease);
    if (released !== undefined) return { ok: true, released };
    return {
      ok: false,
      error: `this session holds no lease ${lease}`,
      expected: 'the number of a lease that was not released yet',
    };
  }

  /** The application says goodbye. */
  releaseAll(session: number): void {
    this.#sessions.get(session)?.releaseAll();
  }

  /** The session has another connection, over which its memory can be asked back. */
  connected(session: number, say: (notice: ReclaimNotice) => void): void {
    this.#sessions.get(session)?.listen(say);
  }

  /** The session's connection has ended; the session itself may live on. */
  disconnected(session: number): void {
    this.#sessions.get(session)?.deafen();
  }

  /** The session has ended, and what it held has been taken back. */
  ended(session: number): void {
    this.#sessions.get(session)?.close();
    this.#sessions.delete(session);
  }

  close(): void {
    for (const session of [...this.#sessions.keys()]) this.ended(session);
  }

  figures(): SocketLeaseFigures {
    let leases = 0;
    let leasedBytes = 0;
    let waiting = 0;
    for (const session of this.#sessions.values()) {
      leases += session.leases;
      leasedBytes += session.leasedBytes;
      waiting += session.waiting;
    }
    const { served, refused, reclaimNotices } = this.#totals;
    return { leases, leased_bytes: leasedBytes, waiting, served, refused, reclaim_notices: reclaimNotices };
  }

  #open(session: number): SocketSession {
    const { owners: ownersFile, arenaId, pairId } = this.#welcome;
    const { chunkCount } = this.#geometry;
    const owners = this.#owners ?? openOwnersFile(ownersFile, { chunkCount, arenaId }, 'read');
    this.#owners = owners;
    const pipe = new net.Socket({ fd: openFifo(this.#files.wake(session)), readable: true, writable: false });
    const ring = (): void => this.#ring(session);
    const opened = new SocketSession({
      // Without the arena's memory: what is not scrubbed yet is left to the fast plane, this thread zeroes nothing.
      space: new ChunkSpace(this.#file, this.#geometry, session, { owners, pair: pairId }),
      slot: new RequestSlot(this.#file, session, pipe, ring),
      pipe,
      arenaPath: this.#welcome.arena.path,
      ring,
      nextLease: () => ++this.#lastLease,
      totals: this.#totals,
    });
    this.#sessions.set(session, opened);
    return opened;
  }
}
