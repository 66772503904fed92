import { BorrowRefused, type Connection } from '../client/connection.ts';
import type { Lease } from '../client/lease.ts';
import type { Clock } from '../clock.ts';
import type { Timer } from '../pressure/timer.ts';

/**
 * The application of the small domain: an instrument cluster. It must never wait for its own small bursts (a redraw, a
 * warning), and keeps a cache of map tiles in memory that nobody else wants, which it lets go of at once when asked.
 */
export interface ClusterSettings {
  readonly cacheBytes: number;
  readonly tileBytes: number;
  /** Its own requests, in turn. */
  readonly burstBytes: readonly number[];
  /** Whether the cache may take what only others can give: where nothing is ever offered, it must. */
  readonly cacheAsksOthers: boolean;
}

/** What the application needs of its connection to the domain's agent. */
export type ClusterLender = Pick<Connection, 'claimableBytes' | 'tryBorrow' | 'borrow' | 'report' | 'reportRefused'>;

/** Three redraws close together, then a pause: as a gauge moves. */
const BURSTS_IN_A_ROW = 3;
const ROW_GAP_MICROS = 40_000;
const PAUSE_MICROS = 500_000;
const HOLD_MICROS = 100_000;
/** A redraw that comes later than this is a dropped frame. */
const BURST_DEADLINE_MILLIS = 50;

const REFILL_MICROS = 100_000;
const TILES_AT_ONCE = 8;
/** After memory was called back, others need it: the cache stays as it is for this long. */
const QUIET_MICROS = 1_000_000;
const REFILL_DEADLINE_MILLIS = 20;
/** Tiles leave this many of the largest requests to be had at once. */
const BURSTS_LEFT_FREE = 3;

/** Never 0: lent memory comes zeroed, and what is written must differ. */
const TILE = 0xa5;
const FRAME = 0x3c;

export class ClusterApp {
  readonly #lender: ClusterLender;
  readonly #settings: ClusterSettings;
  readonly #clock: Clock;
  readonly #timer: Timer;
  /** Oldest first. */
  readonly #tiles = new Set<Lease>();
  readonly #frames = new Set<Lease>();
  readonly #timers = new Set<() => void>();
  #bursts = 0;
  #reclaimedMicros = Number.NEGATIVE_INFINITY;

  constructor(lender: ClusterLender, settings: ClusterSettings, clock: Clock, timer: Timer) {
    this.#lender = lender;
    this.#settings = settings;
    this.#clock = clock;
    this.#timer = timer;
  }

  start(): void {
    this.#later(REFILL_MICROS, () => this.#refill());
    this.#later(PAUSE_MICROS, () => this.#burst());
  }

  /** Ends, and gives everything back. */
  stop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    for (const lease of [...this.#tiles, ...this.#frames]) lease.release();
    this.#tiles.clear();
    this.#frames.clear();
  }

  get #largestBurst(): number {
    return Math.max(...this.#settings.burstBytes);
  }

  get cachedBytes(): number {
    return this.#tiles.size * this.#settings.tileBytes;
  }

  /** The connection names the oldest tiles first: what was drawn longest ago is missed least. */
  #reclaimed(lease: Lease): void {
    this.#reclaimedMicros = this.#clock.monotonicMicros();
    this.#tiles.delete(lease);
    lease.release();
  }

  async #refill(): Promise<void> {
    // What is let go must be scrubbed before it is of use, so room for a frame is made before one needs it.
    const missing = this.#settings.cacheAsksOthers ? 0 : this.#largestBurst - this.#lender.claimableBytes;
    if (missing > 0) this.#letGo(missing);
    for (let tile = 0; tile < TILES_AT_ONCE; tile++) {
      if (this.cachedBytes >= this.#settings.cacheBytes || !this.#isQuiet()) break;
      const lease = await this.#tile();
      if (!lease) break;
      lease.fill(TILE);
      this.#tiles.add(lease);
    }
    this.#later(REFILL_MICROS, () => this.#refill());
  }

  #isQuiet(): boolean {
    return this.#clock.monotonicMicros() - this.#reclaimedMicros >= QUIET_MICROS;
  }

  async #tile(): Promise<Lease | undefined> {
    const { tileBytes, cacheAsksOthers } = this.#settings;
    const options = { revocable: true, onReclaim: ({ lease }: { readonly lease: Lease }) => this.#reclaimed(lease) };
    if (cacheAsksOthers) return this.#unlessRefused(tileBytes, { ...options, deadline: REFILL_DEADLINE_MILLIS });
    const left = this.#lender.claimableBytes - tileBytes;
    return left >= BURSTS_LEFT_FREE * this.#largestBurst ? this.#lender.tryBorrow(tileBytes, options) : undefined;
  }

  async #unlessRefused(...[byteLength, options]: Parameters<Connection['borrow']>): Promise<Lease | undefined> {
    try {
      return await this.#lender.borrow(byteLength, options);
    } catch (error) {
      if (error instanceof BorrowRefused) return undefined;
      throw error;
    }
  }

  async #burst(): Promise<void> {
    const { burstBytes } = this.#settings;
    const byteLength = burstBytes[this.#bursts++ % burstBytes.length]!;
    const atMicros = this.#clock.monotonicMicros();
    try {
      const lease =
        this.#lender.tryBorrow(byteLength) ?? (await this.#borrowWithRoom(byteLength, BURST_DEADLINE_MILLIS));
      lease.fill(FRAME);
      this.#lender.report(lease, atMicros);
      this.#frames.add(lease);
      this.#later(HOLD_MICROS, () => {
        this.#frames.delete(lease);
        lease.release();
      });
    } catch (error) {
      if (!(error instanceof BorrowRefused)) throw error;
      this.#lender.reportRefused(byteLength, atMicros, error.refusal, this.#clock.monotonicMicros() - atMicros);
    }
    this.#later(this.#bursts % BURSTS_IN_A_ROW === 0 ? PAUSE_MICROS : ROW_GAP_MICROS, () => this.#burst());
  }

  /** A frame is worth more than tiles: nobody else is asked before as much of the own cache has gone. */
  #borrowWithRoom(byteLength: number, deadline: number): Promise<Lease> {
    this.#letGo(byteLength);
    return this.#lender.borrow(byteLength, { deadline });
  }

  /** Releases the oldest tiles, until `byteLength` or all have gone. */
  #letGo(byteLength: number): void {
    let room = 0;
    for (const tile of this.#tiles) {
      if (room >= byteLength) break;
      room += tile.byteLength;
      this.#reclaimed(tile);
    }
  }

  #later(micros: number, run: () => void | Promise<void>): void {
    const cancel = this.#timer.after(micros, () => {
      this.#timers.delete(cancel);
      void run();
    });
    this.#timers.add(cancel);
  }
}
