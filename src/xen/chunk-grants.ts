/**
 * Which chunks of dom0's arena are granted to a guest, and by which references: a table behind the control file, on the
 * same granted pages. dom0 writes it and never reads it back, so a guest that writes over it deceives itself only.
 *
 * ```
 *  one entry a chunk
 *     word 0     turn: odd while the chunk is granted; it grows by one with every change
 *     word 1...  one reference a page, in order
 * ```
 * The references are written before the turn becomes odd, and a reader looks at the turn before and after it copies them.
 */
import { CONTROL_PAGE_BYTES, controlBytes, type Geometry } from '../control/layout.ts';
import { roundUp } from '../units.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

const pagesPerChunk = ({ chunkShift }: Geometry): number => 2 ** chunkShift / XEN_PAGE_BYTES;
const entryWords = (geometry: Geometry): number => 1 + pagesPerChunk(geometry);

/** The word by which dom0 sees that the guest's agent lives: it is 1, and the kernel clears it when that ends. */
const ALIVE_WORDS = 16;

/** Bytes of the table, beside the control file. */
export const chunkGrantBytes = (geometry: Geometry): number =>
  roundUp((ALIVE_WORDS + geometry.chunkCount * entryWords(geometry)) * 4, CONTROL_PAGE_BYTES);

/** Pages that a guest grants to dom0 for an arena of this geometry: control file and table. */
export const sharedPages = (geometry: Geometry): number =>
  (controlBytes(geometry) + chunkGrantBytes(geometry)) / XEN_PAGE_BYTES;

/** Byte of the shared pages that the kernel clears when the guest's agent ends. */
export const aliveByte = (geometry: Geometry): number => controlBytes(geometry);

export class ChunkGrants {
  readonly chunkCount: number;
  readonly chunkBytes: number;
  readonly pagesPerChunk: number;
  readonly #words: Int32Array;
  readonly #alive: number;
  readonly #table: number;

  /** @param words of the shared pages. */
  constructor(words: Int32Array, geometry: Geometry) {
    this.#words = words;
    this.chunkCount = geometry.chunkCount;
    this.chunkBytes = 2 ** geometry.chunkShift;
    this.pagesPerChunk = pagesPerChunk(geometry);
    this.#alive = controlBytes(geometry) / 4;
    this.#table = this.#alive + ALIVE_WORDS;
  }

  /** The guest's side, before it asks for the notice of its end. */
  sayAlive(): void {
    Atomics.store(this.#words, this.#alive, 1);
  }

  get isAlive(): boolean {
    return Atomics.load(this.#words, this.#alive) === 1;
  }

  /** Odd while the chunk is granted. */
  turnOf(chunk: number): number {
    return Atomics.load(this.#words, this.#entry(chunk));
  }

  /** dom0's side. @param turn odd, and above the last one. */
  grant(chunk: number, references: readonly number[], turn: number): void {
    const at = this.#entry(chunk);
    this.#words.set(references, at + 1);
    Atomics.store(this.#words, at, turn);
  }

  /** dom0's side: the guest is to let go of it. @param turn even, and above the last one. */
  withdraw(chunk: number, turn: number): void {
    Atomics.store(this.#words, this.#entry(chunk), turn);
  }

  /** A copy of the references of a chunk; `undefined` where it is not granted, or is being changed. */
  referencesOf(chunk: number): Int32Array | undefined {
    const turn = this.turnOf(chunk);
    if ((turn & 1) === 0) return undefined;
    const at = this.#entry(chunk) + 1;
    const references = this.#words.slice(at, at + this.pagesPerChunk);
    return this.turnOf(chunk) === turn ? references : undefined;
  }

  #entry(chunk: number): number {
    return this.#table + chunk * (1 + this.pagesPerChunk);
  }
}
