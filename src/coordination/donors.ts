import { STATE } from '../control/layout.ts';
import { chooseDonors, type DonorTable } from '../policy/donors.ts';
import type { LedgerCensus } from './ledger-census.ts';
import { MAX_PAIRS } from './sources.ts';

/** How often the back-off of a donor that lets deadlines pass is doubled at most (policy/stuck.ts). */
const MAX_MISS_SHIFT = 5;

/**
 * The accounts that the back end keeps of its donors: what each could give now, what it has been asked for, and how
 * often it let a deadline pass. Typed arrays, since this lives on the fast plane.
 */
export class Donors {
  readonly #table: DonorTable = {
    count: 0,
    idleChunks: new Int32Array(MAX_PAIRS),
    revocableChunks: new Int32Array(MAX_PAIRS),
    aboveFloorChunks: new Int32Array(MAX_PAIRS),
    stuckUntilMicros: new Float64Array(MAX_PAIRS),
    pressured: new Uint8Array(MAX_PAIRS),
  };
  readonly #take = new Int32Array(MAX_PAIRS);
  readonly #misses = new Int32Array(MAX_PAIRS);
  /** Chunks that a donor has been asked for and has not returned, and until when. */
  readonly #asked = new Int32Array(MAX_PAIRS);
  readonly #coming = new Int32Array(MAX_PAIRS);
  readonly #askedUntilMicros = new Float64Array(MAX_PAIRS);
  /** How long a donor is left alone after its first missed deadline. */
  backoffMicros = 1_000_000;

  get count(): number {
    return this.#table.count;
  }

  get stuckUntilMicros(): Float64Array {
    return this.#table.stuckUntilMicros;
  }

  add(id: number): void {
    this.#table.count = Math.max(this.#table.count, id + 1);
  }

  setPressured(id: number, pressured: boolean): void {
    this.#table.pressured[id] = pressured ? 1 : 0;
  }

  /**
   * Describes all donors anew, as their ledgers say and their floors allow.
   * @param spareOf how many chunks a domain has above its floor, what it has been asked for not counted.
   */
  look(census: LedgerCensus, spareOf: (id: number) => number): void {
    census.take();
    for (let id = 0; id < this.count; id++) {
      // Offers that are left are not the front end's to give.
      const spare = spareOf(id) - census.of(id, STATE.offered);
      this.#describe(id, census.idle(id), census.of(id, STATE.leasedRevocable), spare);
    }
  }

  /**
   * What a donor could give at this moment. The first two are the donor's own word for it; `spare` is from the books and
   * bounds them.
   */
  #describe(id: number, idle: number, revocable: number, spare: number): void {
    const asked = this.#asked[id]!;
    this.#coming[id] = Math.min(asked, idle + revocable);
    this.#table.idleChunks[id] = Math.max(0, idle - asked);
    this.#table.revocableChunks[id] = revocable;
    this.#table.aboveFloorChunks[id] = Math.max(0, spare);
  }

  /** Decides who gives how much (`shareOf`). @returns the sum: less than `chunks` where they have less. */
  choose(requester: number, chunks: number, now: number): number {
    return chooseDonors(this.#table, requester, chunks, now, this.#take);
  }

  /** What the last `choose` wants of a donor. */
  shareOf(id: number): number {
    return this.#take[id]!;
  }

  /** Chunks that a donor has been asked for and that are not back yet. */
  owedBy(id: number): number {
    return this.#asked[id]!;
  }

  noteAsked(id: number, chunks: number, untilMicros: number): void {
    this.#asked[id] = this.#asked[id]! + chunks;
    this.#askedUntilMicros[id] = Math.max(this.#askedUntilMicros[id]!, untilMicros);
  }

  /**
   * Chunks that are on their way: asked for, and still there to be given when last looked. What a donor was asked for and
   * has come to need itself is not.
   */
  get comingChunks(): number {
    let coming = 0;
    for (let id = 0; id < this.count; id++) coming += this.#coming[id]!;
    return coming;
  }

  /** One chunk has come back, whether it was asked for or not. Who owes nothing any more is forgiven. */
  noteReturned(id: number): void {
    if (this.#asked[id]! === 0) return;
    this.#asked[id] = this.#asked[id]! - 1;
    if (this.#asked[id] === 0) this.#misses[id] = 0;
  }

  /** Leaves those alone for a while whose deadline has passed. @returns how many there were. */
  noteMisses(now: number): number {
    let missed = 0;
    for (let id = 0; id < this.count; id++) {
      if (this.#asked[id]! === 0 || now <= this.#askedUntilMicros[id]!) continue;
      this.#asked[id] = 0;
      const misses = this.#misses[id]!;
      this.#misses[id] = misses + 1;
      this.stuckUntilMicros[id] = now + this.backoffMicros * 2 ** Math.min(misses, MAX_MISS_SHIFT);
      missed++;
    }
    return missed;
  }
}
