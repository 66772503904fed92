import { stateOf } from '../control/layout.ts';
import type { Ledger } from '../control/ledger.ts';
import type { ChunkBooks } from './chunk-books.ts';
import { MAX_PAIRS } from './sources.ts';

const STATES = 16;

/**
 * How many chunks each pair has in each state, for all pairs in one pass over the arena: a pass for each of them would
 * make every request dearer with the number of domains. A pair's word counts only for chunks that the books say are its.
 */
export class LedgerCensus {
  readonly #books: ChunkBooks;
  readonly #pairs: ReadonlyArray<{ readonly ledger: Ledger } | undefined>;
  readonly #counts = new Int32Array(MAX_PAIRS * STATES);

  /** @param pairs by their number; may grow. */
  constructor(books: ChunkBooks, pairs: ReadonlyArray<{ readonly ledger: Ledger } | undefined>) {
    this.#books = books;
    this.#pairs = pairs;
  }

  /** Counts anew. The front ends go on meanwhile, so the counts may be stale by the time they are read. */
  take(): void {
    const counts = this.#counts;
    counts.fill(0);
    for (let chunk = 0; chunk < this.#books.chunkCount; chunk++) {
      const id = this.#books.ownerOf(chunk);
      const pair = this.#pairs[id];
      if (!pair) continue; // nobody's, or of a pair that is still to be added
      const at = id * STATES + stateOf(pair.ledger.peek(chunk));
      counts[at] = counts[at]! + 1;
    }
  }

  of(id: number, state: number): number {
    return this.#counts[id * STATES + state]!;
  }
}
