import {
  BACK_TO_FRONT,
  SESSION,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
  STATE,
  sessionOf,
  stateOf,
  wordOf,
} from '../control/layout.ts';
import type { Ledger } from '../control/ledger.ts';
import type { ChunkBooks } from './chunk-books.ts';
import { leave } from './chunk-offers.ts';

/** Beats in which every ledger is audited once. */
const AUDIT_BEATS = 10;

interface AuditedPair {
  readonly words: Int32Array;
  readonly ledger: Ledger;
}

/** Holds the ledgers of the pairs against the back end's books: a ledger may speak of its own domain's chunks only. */
export class LedgerAudit {
  readonly #books: ChunkBooks;
  readonly #pairs: ReadonlyArray<AuditedPair | undefined>;
  readonly #violated: (id: number) => void;
  #next = 0;

  /** @param violated told of a pair whose ledger had words about chunks of others. */
  constructor(books: ChunkBooks, pairs: ReadonlyArray<AuditedPair | undefined>, violated: (id: number) => void) {
    this.#books = books;
    this.#pairs = pairs;
    this.#violated = violated;
  }

  /**
   * Clears words that a ledger has about chunks of others: nobody claims by them (control/owner-table.ts), but they are a
   * sign. A tenth of the `count` pairs at each beat, so that the beat costs no more with more domains than it must.
   */
  beat(count: number): void {
    for (let turns = Math.ceil(count / AUDIT_BEATS); turns > 0; turns--) {
      const id = this.#next % count;
      this.#next = id + 1;
      const pair = this.#pairs[id];
      if (pair && this.#clearForeign(id, pair.ledger) > 0) this.#violated(id);
    }
  }

  /**
   * Ends what a back end that was killed has left half done in a pair. A request that it had not answered comes anew, so
   * that what was promised for it goes back; what is RETURNING is collected as ever.
   */
  takeUp(id: number, { ledger, words }: AuditedPair): void {
    this.#clearForeign(id, ledger);
    // An answer that the front end has not read yet may be about these promises; what nobody claims, it drops itself.
    if (Atomics.load(words, BACK_TO_FRONT.head) !== Atomics.load(words, BACK_TO_FRONT.tail)) return;
    for (let chunk = 0; chunk < this.#books.chunkCount; chunk++) {
      const word = ledger.peek(chunk);
      const session = sessionOf(word);
      if (stateOf(word) !== STATE.promised || session >= SESSION_SLOTS) continue;
      const at = SESSIONS + session * SESSION_WORDS;
      if (Atomics.load(words, at + SESSION.requestSeq) === Atomics.load(words, at + SESSION.responseSeq)) continue;
      if (ledger.move(chunk, word, wordOf(STATE.returning))) leave(this.#books, ledger, chunk, false);
    }
  }

  /** @returns how many words there were. */
  #clearForeign(id: number, ledger: Ledger): number {
    let cleared = 0;
    for (let chunk = 0; chunk < this.#books.chunkCount; chunk++) {
      if (ledger.peek(chunk) === 0 || this.#books.ownerOf(chunk) === id) continue;
      ledger.set(chunk, wordOf(STATE.none));
      cleared++;
    }
    return cleared;
  }
}
