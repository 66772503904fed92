/**
 * What the back end puts into a pair's ledger for the pair to claim, and takes back while nobody has. An offer is for the
 * whole domain and ahead of need; a promise is for the session that asked.
 *
 * Ledger and books change in the order of control/owner-table.ts, with RETURNING between them: `enter` and `leave`.
 */
import { STATE, stateOf, wordOf } from '../control/layout.ts';
import type { Ledger } from '../control/ledger.ts';
import type { ChunkBooks } from './chunk-books.ts';

/** Offers up to `most` clean free chunks to a pair. @returns how many. */
export function offerFree(books: ChunkBooks, ledger: Ledger, pair: number, most: number): number {
  let offered = 0;
  for (; offered < most; offered++) {
    const chunk = books.nextFree(most - offered);
    if (chunk < 0 || !books.isClean(chunk)) break;
    enter(books, ledger, chunk, pair, wordOf(STATE.offered));
  }
  return offered;
}

/** Takes up to `most` offers back that the pair has not claimed: clean and free again. @returns how many. */
export function withdrawOffers(books: ChunkBooks, ledger: Ledger, pair: number, most: number): number {
  let withdrawn = 0;
  for (let chunk = 0; chunk < books.chunkCount && withdrawn < most; chunk++) {
    if (books.ownerOf(chunk) === pair && withdrawOffer(books, ledger, chunk)) withdrawn++;
  }
  return withdrawn;
}

/**
 * Takes up to `most` offers back from all pairs but one, in one pass whatever their number.
 * @param spareOf how many chunks a pair has above its floor. @returns how many.
 */
export function withdrawFromOthers(
  books: ChunkBooks,
  pairs: ReadonlyArray<{ readonly ledger: Ledger } | undefined>,
  except: number,
  most: number,
  spareOf: (id: number) => number,
): number {
  let withdrawn = 0;
  for (let chunk = 0; chunk < books.chunkCount && withdrawn < most; chunk++) {
    const id = books.ownerOf(chunk);
    const pair = pairs[id];
    if (!pair || id === except) continue;
    if (stateOf(pair.ledger.peek(chunk)) !== STATE.offered || spareOf(id) <= 0) continue;
    if (withdrawOffer(books, pair.ledger, chunk)) withdrawn++;
  }
  return withdrawn;
}

/** Takes one chunk of a pair back if it is still an offer. @returns whether it was. */
function withdrawOffer(books: ChunkBooks, ledger: Ledger, chunk: number): boolean {
  if (stateOf(ledger.peek(chunk)) !== STATE.offered) return false;
  if (!ledger.move(chunk, wordOf(STATE.offered), wordOf(STATE.returning))) return false;
  leave(books, ledger, chunk, true);
  return true;
}

/**
 * Takes back up to `most` chunks that were promised to a session of a pair and that it has not claimed: clean and free
 * again.
 */
export function withdrawPromises(books: ChunkBooks, ledger: Ledger, pair: number, session: number, most: number): void {
  const promised = wordOf(STATE.promised, session);
  let withdrawn = 0;
  for (let chunk = 0; chunk < books.chunkCount && withdrawn < most; chunk++) {
    if (books.ownerOf(chunk) !== pair || ledger.peek(chunk) !== promised) continue;
    if (!ledger.move(chunk, promised, wordOf(STATE.returning))) continue;
    leave(books, ledger, chunk, true);
    withdrawn++;
  }
}

/** Gives a free, clean chunk to a pair, whose ledger says `word` of it from then on. */
export function enter(books: ChunkBooks, ledger: Ledger, chunk: number, pair: number, word: number): void {
  ledger.set(chunk, wordOf(STATE.returning));
  books.give(chunk, pair);
  ledger.set(chunk, word);
}

/** Takes a chunk that is RETURNING out of a pair. */
export function leave(books: ChunkBooks, ledger: Ledger, chunk: number, clean: boolean): void {
  books.takeBack(chunk, clean);
  ledger.set(chunk, wordOf(STATE.none));
}
