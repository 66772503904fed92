import { STATE, stateOf } from '../control/layout.ts';
import type { BlockTable, Ledger } from '../control/ledger.ts';
import type { ChunkBooks } from './chunk-books.ts';
import { MAX_PAIRS } from './sources.ts';

const STATES = 16;

interface CountedPair {
  readonly ledger: Ledger;
  readonly blocks?: BlockTable;
}

/**
 * How many chunks each pair has in each state, for all pairs in one pass over the arena: a pass for each of them would
 * make every request dearer with the number of domains. A pair's word counts only for chunks that the books say are its.
 */
export class LedgerCensus {
  readonly #books: ChunkBooks;
  readonly #pairs: ReadonlyArray<CountedPair | undefined>;
  readonly #counts = new Int32Array(MAX_PAIRS * STATES);
  readonly #idleSplits = new Int32Array(MAX_PAIRS);

  /** @param pairs by their number; may grow. */
  constructor(books: ChunkBooks, pairs: ReadonlyArray<CountedPair | undefined>) {
    this.#books = books;
    this.#pairs = pairs;
  }

  /** Counts anew. The front ends go on meanwhile, so the counts may be stale by the time they are read. */
  take(): void {
    const counts = this.#counts;
    counts.fill(0);
    this.#idleSplits.fill(0);
    for (let chunk = 0; chunk < this.#books.chunkCount; chunk++) {
      const id = this.#books.ownerOf(chunk);
      const pair = this.#pairs[id];
      if (!pair) continue; // nobody's, or of a pair that is still to be added
      const state = stateOf(pair.ledger.peek(chunk));
      const at = id * STATES + state;
      counts[at] = counts[at]! + 1;
      // One that is being put together is met for a moment only, and is whole, or split as before, when it is asked for.
      const split = state === STATE.split || state === STATE.merging;
      if (split && pair.blocks?.isIdle(chunk)) this.#idleSplits[id] = this.#idleSplits[id]! + 1;
    }
  }

  of(id: number, state: number): number {
    return this.#counts[id * STATES + state]!;
  }

  /** Chunks that nobody in the domain uses, scrubbed or not, beside the offers: what it can give at once. */
  idle(id: number): number {
    const kept = this.of(id, STATE.reserved) + this.of(id, STATE.dirty) + this.of(id, STATE.scrubbing);
    return kept + this.#idleSplits[id]!;
  }
}
