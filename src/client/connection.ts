import fs from 'node:fs';
import net from 'node:net';
import { monotonicMicros } from '../clock.ts';
import type { ControlFile, DoorbellRinger } from '../control/contracts.ts';
import { FifoRinger, openFifo } from '../control/fifo-bell.ts';
import { FutexRinger } from '../control/futex-bell.ts';
import { FRONT_BELL, type Geometry } from '../control/layout.ts';
import type { OwnerWords } from '../control/owner-table.ts';
import { BorrowAttempt } from '../coordination/borrow-attempt.ts';
import { type Answer, RequestSlot } from '../coordination/request-slot.ts';
import { DomainFiles } from '../coordination/run-files.ts';
import type { SessionWelcome } from '../coordination/session-protocol.ts';
import { MemtideError } from '../errors.ts';
import { viewOf } from '../native/libc.ts';
import { tryLockByte, unlockByte } from '../native/ofd-lock.ts';
import { ChunkSpace } from '../platforms/arena/chunk-space.ts';
import type { Claimed, Refusal } from '../platforms/contracts.ts';
import { type BurstStages, TIERS } from '../records.ts';
import { bytes as asBytes, type Bytes } from '../units.ts';
import { AgentSocket } from './agent-socket.ts';
import { BorrowRefused } from './borrow-refused.ts';
import { Lease, type LeaseOwner, type ReclaimRequest } from './lease.ts';
import type { LeasedMemory, Windows } from './lease-windows.ts';
import { openShared } from './shared-memory.ts';

export { BorrowRefused };

export interface BorrowOptions {
  /** How long to wait for other domains to let go, in milliseconds. Default 200; 0 takes only what is there. */
  readonly deadline?: number;
  /** The memory may be called back: `onReclaim` is told, and should release the lease soon. */
  readonly revocable?: boolean;
  readonly onReclaim?: (request: ReclaimRequest) => void | Promise<void>;
}

const DEFAULT_DEADLINE_MILLIS = 200;

/** An application's connection to the agent of its domain. Made by `connect`. */
export class Connection implements LeaseOwner {
  readonly domain: string;
  readonly #welcome: SessionWelcome;
  readonly #socket: AgentSocket;
  readonly #space: ChunkSpace;
  readonly #arena: LeasedMemory;
  readonly #arenaBuffer: ArrayBuffer;
  readonly #windows: Windows;
  readonly #bell: DoorbellRinger;
  readonly #lockFd: number;
  readonly #keepFd: number;
  readonly #pipe: net.Socket;
  readonly #slot: RequestSlot;
  readonly #leases = new Set<Lease>();
  #queue: Promise<unknown> = Promise.resolve();
  #poked = false;
  #closed = false;

  constructor(parts: {
    readonly welcome: SessionWelcome;
    readonly socket: AgentSocket;
    readonly file: ControlFile;
    readonly geometry: Geometry;
    /** Left out where the books cannot be seen: the ledger alone is believed then. */
    readonly owners: OwnerWords | undefined;
    readonly arena: LeasedMemory;
    readonly windows: Windows;
    readonly bell: DoorbellRinger;
    readonly lockFd: number;
    readonly keepFd: number;
    readonly pipe: net.Socket;
  }) {
    const { welcome } = parts;
    this.domain = welcome.domain;
    this.#welcome = welcome;
    this.#socket = parts.socket;
    this.#arena = parts.arena;
    this.#arenaBuffer = viewOf(parts.arena.mapping.address, parts.arena.mapping.byteLength);
    const grants = parts.owners && { owners: parts.owners, pair: welcome.pairId };
    this.#space = new ChunkSpace(parts.file, parts.geometry, welcome.session, grants, parts.arena);
    this.#windows = parts.windows;
    this.#bell = parts.bell;
    this.#lockFd = parts.lockFd;
    this.#keepFd = parts.keepFd;
    this.#pipe = parts.pipe;
    this.#slot = new RequestSlot(parts.file, welcome.session, parts.pipe, () => parts.bell.ring(welcome.session));
    this.#pipe.on('data', () => this.#woken()).unref();
  }

  /** The number of this connection among those of its domain. */
  get session(): number {
    return this.#welcome.session;
  }

  /**
   * Where the next lease is looked for first. `same`: where the last one was, the warmest memory (what happens anyway).
   * `next`: behind it. For measurements of cold memory.
   */
  placeNext(where: 'same' | 'next', byteLength: number): void {
    this.#space.placeNext(where, byteLength);
  }

  /**
   * Whether the domain's agent is there. While it is not, leases hold, what can be claimed is claimed, and requests to
   * other domains wait for its successor until their deadline.
   */
  get agentIsThere(): boolean {
    return this.#socket.isOpen;
  }

  /** Reports of bursts that were lost because the agent was away. */
  get droppedReports(): number {
    return this.#socket.dropped;
  }

  /** Warm memory: what `tryBorrow` could have at this moment without zeroing or gathering anything. */
  get claimableBytes(): Bytes {
    return asBytes(this.#space.claimableBytes());
  }

  /** What this process holds. */
  get leasedBytes(): Bytes {
    return asBytes([...this.#leases].reduce((sum, { byteLength }) => sum + byteLength, 0));
  }

  /**
   * Takes memory that is there to be claimed (tiers 0 and 1): nobody is woken, nothing is waited for.
   * @returns undefined when there is not enough of it.
   */
  tryBorrow(byteLength: number, options: Omit<BorrowOptions, 'deadline'> = {}): Lease | undefined {
    this.#check(byteLength);
    const started = monotonicMicros();
    const claimed = this.#space.claim(byteLength, options.revocable === true);
    return claimed && this.#lease(claimed, byteLength, options, started, {});
  }

  /**
   * Takes memory, from other domains if need be (tier 2).
   * @throws BorrowRefused when it cannot be had within the deadline.
   */
  async borrow(byteLength: number, options: BorrowOptions = {}): Promise<Lease> {
    const lease = this.tryBorrow(byteLength, options);
    if (lease) return lease;
    const turn = this.#queue.then(() => this.#borrowFromPeers(byteLength, options));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** As `borrow`, with the thread blocked while it waits: fewer microseconds, no event loop meanwhile. */
  borrowSync(byteLength: number, options: BorrowOptions = {}): Lease {
    const lease = this.tryBorrow(byteLength, options);
    if (lease) return lease;
    const attempt = this.#attempt(byteLength, options);
    for (;;) {
      const answer = this.#slot.askBlocking(
        attempt.chunksToAsk(),
        attempt.millisLeft(monotonicMicros()),
        attempt.enough,
      );
      const asked = this.#settle(attempt, options, answer);
      if (asked) return asked;
    }
  }

  /** Ends the connection: all leases end, and their memory goes back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const lease of this.#leases) {
      lease.end('connection-closed');
      this.#space.release(lease.claimed);
      if (lease.window) this.#windows.recycle(lease.window);
    }
    this.#leases.clear();
    await this.#socket.close();
    unlockByte(this.#lockFd, this.session);
    fs.closeSync(this.#lockFd);
    fs.closeSync(this.#keepFd);
    this.#pipe.destroy();
    this.#bell.close();
    this.#arena.close();
  }

  /** Not for applications: called by `Lease.release`. */
  end(lease: Lease): void {
    this.#leases.delete(lease);
    this.#space.release(lease.claimed);
    if (lease.window) this.#windows.recycle(lease.window);
    if (lease.revocable) this.#countRevocable();
    this.#bell.ring(this.session);
  }

  async #borrowFromPeers(byteLength: number, options: BorrowOptions): Promise<Lease> {
    const attempt = this.#attempt(byteLength, options);
    // Waiting its turn behind another request, this one may have become easy to serve.
    const lease = this.tryBorrow(byteLength, options);
    if (lease) return lease;
    for (;;) {
      const answer = await this.#slot.ask(attempt.chunksToAsk(), attempt.millisLeft(monotonicMicros()), attempt.enough);
      const asked = this.#settle(attempt, options, answer);
      if (asked) return asked;
    }
  }

  #attempt(
    byteLength: number,
    { revocable = false, deadline = DEFAULT_DEADLINE_MILLIS }: BorrowOptions,
  ): BorrowAttempt {
    return new BorrowAttempt(this.#space, byteLength, revocable, monotonicMicros(), deadline);
  }

  /** Turns an answer into a lease. @returns undefined when it is to be asked again. @throws BorrowRefused */
  #settle(attempt: BorrowAttempt, options: BorrowOptions, answer: Answer | undefined): Lease | undefined {
    const { byteLength, startMicros } = attempt;
    const answeredAt = monotonicMicros();
    const outcome = attempt.judge(answer, answeredAt);
    if (outcome === undefined) return undefined;
    if ('refusal' in outcome) throw new BorrowRefused(byteLength, outcome.refusal, (answeredAt - startMicros) / 1000);
    const { decideMicros, releaseMicros } = attempt;
    const notifyMicros = Math.max(0, answeredAt - startMicros - decideMicros - releaseMicros);
    const stages = { notifyMicros, decideMicros, releaseMicros };
    return this.#lease(outcome.claimed, byteLength, options, startMicros, stages, answeredAt);
  }

  #lease(
    claimed: Claimed,
    byteLength: number,
    options: BorrowOptions,
    started: number,
    waited: BurstStages,
    populateFrom = started,
  ): Lease {
    const window =
      claimed.scattered && this.#orGiveBack(claimed, () => this.#windows.show(this.#space.extentsOf(claimed)));
    const offset = window ? 0 : claimed.start * this.#space.chunkBytes + claimed.firstBlock * this.#space.blockBytes;
    if (!window) this.#orGiveBack(claimed, () => this.#arena.ensure?.(offset, byteLength));
    const now = monotonicMicros();
    const lease = new Lease({
      owner: this,
      claimed,
      window,
      address: window ? window.address : this.#arena.mapping.address + offset,
      buffer: window ? window.buffer : this.#arenaBuffer,
      offset,
      byteLength,
      totalMicros: now - started,
      stages: { ...waited, populateMicros: now - populateFrom },
      revocable: options.revocable === true,
      onReclaim: options.onReclaim,
    });
    this.#leases.add(lease);
    if (lease.revocable) this.#countRevocable();
    this.#pokeSoon();
    return lease;
  }

  #orGiveBack<T>(claimed: Claimed, action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.#space.release(claimed);
      throw error;
    }
  }

  /** Lets the agent look at its reserve, after the caller has got its memory: never on the way to it. */
  #pokeSoon(): void {
    if (this.#poked) return;
    this.#poked = true;
    setImmediate(() => {
      this.#poked = false;
      if (!this.#closed) this.#bell.ring(this.session);
    });
  }

  /** Tells the agent of a burst once it has been served and touched. */
  report(lease: Lease, atMicros: number, extra: { readonly detectMicros?: number } = {}): void {
    const touch = lease.touchMicros;
    const stages = { ...extra, ...lease.stages, ...(touch === undefined ? {} : { touchMicros: touch }) };
    const tierBytes = Object.fromEntries(TIERS.map((tier) => [tier, lease.tierBytes[tier]]));
    this.#socket.tell({
      op: 'burst',
      burst: {
        atMicros: atMicros as never,
        requestedBytes: asBytes(lease.byteLength),
        tierBytes: tierBytes as never,
        outcome: 'served',
        stages,
        totalMicros: lease.totalMicros + (touch ?? 0),
        idleBytes: asBytes(this.#space.claimableBytes() + lease.tierBytes.reserve + lease.tierBytes.pool),
      },
    });
  }

  /** Tells the agent of a burst that was refused. */
  reportRefused(byteLength: number, atMicros: number, refusal: Refusal, totalMicros: number): void {
    this.#socket.tell({
      op: 'burst',
      burst: {
        atMicros: atMicros as never,
        requestedBytes: asBytes(byteLength),
        tierBytes: { reserve: 0, pool: 0, peer: 0 },
        outcome: 'refused',
        refusal,
        stages: {},
        totalMicros,
        idleBytes: asBytes(this.#space.claimableBytes()),
      },
    });
  }

  #countRevocable(): void {
    let chunks = 0;
    for (const lease of this.#leases) {
      if (lease.revocable) chunks += this.#space.chunksFor(lease.byteLength);
    }
    this.#slot.tellRevocable(chunks);
  }

  #woken(): void {
    this.#arena.follow?.();
    const wantedBytes = this.#slot.woken() * this.#space.chunkBytes;
    let wanted = wantedBytes;
    // Oldest first: what was cached longest ago is the least likely to be missed.
    for (const lease of [...this.#leases]) {
      if (wanted <= 0) break;
      if (!lease.revocable || !lease.onReclaim) continue;
      wanted -= this.#space.chunksFor(lease.byteLength) * this.#space.chunkBytes;
      void lease.onReclaim({ wantedBytes, lease });
    }
  }

  #check(byteLength: number): void {
    if (!Number.isSafeInteger(byteLength) || byteLength <= 0 || byteLength > this.#arena.mapping.byteLength) {
      throw new MemtideError({
        operation: 'borrow memory',
        expected: `1 to ${this.#arena.mapping.byteLength} bytes (the size of the arena)`,
        actual: String(byteLength),
      });
    }
    if (this.#closed) {
      throw new MemtideError({
        operation: 'borrow memory',
        actual: 'the connection is closed',
        remedy: 'connect again',
      });
    }
  }
}

/** Opens what the agent named, takes the session's lock, and tells the agent that the session lives. */
export async function openConnection(socketPath: string): Promise<Connection> {
  const socket = await AgentSocket.open(socketPath);
  const opened: (() => void)[] = [];
  try {
    const welcome = await socket.hello();
    const files = new DomainFiles(welcome.domainDirectory);
    const { file, geometry, memory, windows, owners } = welcome.granted
      ? { ...(await import('./granted-memory.ts')).openGranted(welcome.granted), owners: undefined }
      : openShared(files, welcome);
    opened.push(() => memory.close());
    const lockFd = fs.openSync(files.locks, 'r+');
    opened.push(() => fs.closeSync(lockFd));
    if (!tryLockByte(lockFd, welcome.session)) {
      throw new MemtideError({
        operation: 'connect to the agent',
        object: socketPath,
        expected: `session ${welcome.session} to be free`,
        actual: 'another process holds it',
        remedy: 'restart the agent of the domain',
      });
    }
    const keepFd = openFifo(welcome.keep);
    opened.push(() => fs.closeSync(keepFd));
    const bell =
      welcome.doorbell === 'fifo'
        ? new FifoRinger(files.bell)
        : new FutexRinger({ words: file.words, at: FRONT_BELL, address: file.address });
    opened.push(() => bell.close());
    const pipe = new net.Socket({ fd: openFifo(files.wake(welcome.session)), readable: true, writable: false });
    opened.push(() => pipe.destroy());
    await socket.ready(welcome.session);
    return new Connection({
      welcome,
      socket,
      file,
      geometry,
      owners,
      arena: memory,
      windows,
      bell,
      lockFd,
      keepFd,
      pipe,
    });
  } catch (error) {
    // A lock that stayed would keep the session's slot taken for the life of this process.
    for (const close of opened.reverse()) close();
    await socket.close();
    throw error;
  }
}
