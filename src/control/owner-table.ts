import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { mapFile, mapFileReadOnly, wordsOf } from '../native/mapping.ts';
import { roundUp } from '../units.ts';
import { CONTROL_PAGE_BYTES, LINE_WORDS, MAX_CHUNKS } from './layout.ts';

/**
 * Whose each chunk of the arena is: the back end's books, as one word a chunk in a file of their own. Only the back end
 * maps it for writing. Everybody else maps it read-only and believes it over any ledger: a domain's ledger can be
 * scribbled over by the domain, this cannot. It outlives a back end that is killed, and its successor reads it.
 *
 * ```
 *  byte
 *     0  magic, version, chunk count, arena id
 *    64  one word a chunk: OWNER.absent, OWNER.free, or OWNER.firstPair + the number of the pair
 * ```
 * **Order.** A chunk is entered here before its ledger word becomes claimable, and leaves the ledger before it leaves
 * here; between the two steps its ledger word is RETURNING, which nobody but the back end acts upon. So a word that is
 * claimable speaks of a chunk that is the domain's, and a back end that dies between two steps leaves only states that
 * its successor can tell apart (`BackendPlane.addPair`).
 */
const OWNERS_MAGIC = 0x4454_4d02;
const OWNERS_VERSION = 1;
const HEADER = { magic: 0, version: 1, chunkCount: 2, arenaId: 3 } as const;

export const OWNER = {
  /** No memory behind it: not yet taken from the system, or given back. */
  absent: 0,
  /** In the pool. */
  free: 1,
  firstPair: 2,
} as const;

export const ownedBy = (pair: number): number => OWNER.firstPair + pair;

/** One word a chunk; index with the chunk's number. */
export type OwnerWords = Int32Array;

/** For tests, the simulation, and a back end whose books die with it. */
export const ownersInMemory = (chunkCount: number): OwnerWords => new Int32Array(chunkCount);

const fileBytes = (chunkCount: number): number =>
  roundUp((LINE_WORDS + chunkCount) * Int32Array.BYTES_PER_ELEMENT, CONTROL_PAGE_BYTES);

/** Makes the file of a new arena: every chunk is absent. */
export function createOwnersFile(path: string, chunkCount: number, arenaId: number): void {
  const buffer = Buffer.alloc(fileBytes(chunkCount));
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, LINE_WORDS);
  words[HEADER.magic] = OWNERS_MAGIC;
  words[HEADER.version] = OWNERS_VERSION;
  words[HEADER.chunkCount] = chunkCount;
  words[HEADER.arenaId] = arenaId;
  fs.writeFileSync(`${path}.new`, buffer, { mode: 0o600 });
  fs.renameSync(`${path}.new`, path);
}

/**
 * Maps the table of an arena.
 * @param access `write` is for the back end alone.
 * @throws MemtideError when it is not the table of this arena.
 */
export function openOwnersFile(
  path: string,
  expected: { readonly chunkCount: number; readonly arenaId: number },
  access: 'read' | 'write',
): OwnerWords {
  const map = access === 'write' ? mapFile : mapFileReadOnly;
  const words = wordsOf(map(path, fileBytes(expected.chunkCount), 'table of owners'));
  const found = {
    magic: words[HEADER.magic],
    version: words[HEADER.version],
    chunkCount: words[HEADER.chunkCount],
    arenaId: words[HEADER.arenaId],
  };
  const wanted = { magic: OWNERS_MAGIC, version: OWNERS_VERSION, ...expected };
  for (const field of ['magic', 'version', 'chunkCount', 'arenaId'] as const) {
    if (found[field] === wanted[field]) continue;
    throw new MemtideError({
      operation: 'open the table of owners',
      object: path,
      expected: `${field} ${wanted[field]}`,
      actual: String(found[field]),
      remedy: 'stop the agents and applications of this machine and start them again: the back end makes it anew',
    });
  }
  if (expected.chunkCount > MAX_CHUNKS) throw new RangeError(`at most ${MAX_CHUNKS} chunks`);
  return words.subarray(LINE_WORDS, LINE_WORDS + expected.chunkCount);
}

/** Ranges of the arena that have memory behind them, by the books. */
export function residentExtents(owners: OwnerWords, chunkBytes: number): { offset: number; length: number }[] {
  const extents: { offset: number; length: number }[] = [];
  for (let chunk = 0; chunk < owners.length; ) {
    const start = chunk;
    while (chunk < owners.length && Atomics.load(owners, chunk) !== OWNER.absent) chunk++;
    if (chunk > start) extents.push({ offset: start * chunkBytes, length: (chunk - start) * chunkBytes });
    else chunk++;
  }
  return extents;
}
