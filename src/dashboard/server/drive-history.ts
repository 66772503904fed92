/**
 * What was heard so far, as the lines of a drive, for pages that open later. Bounded: the oldest go first. Older blocks are
 * kept compressed, to a tenth or less of their size, so that hours fit.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { KIB, MIB } from '../../units.ts';

const compress = promisify(gzip);
const decompress = promisify(gunzip);

export interface DriveHistoryOptions {
  /** The most that is kept, compressed as it is. 48 MiB by default: some eight hours of two domains at 10 Hz. */
  readonly maxBytes?: number;
  /** When a block is closed and compressed. */
  readonly blockBytes?: number;
}

/** Lines `first` to `first + count - 1`. */
interface Block {
  readonly first: number;
  readonly count: number;
  /** Until it is compressed. */
  text?: string;
  packed?: Buffer;
}

/** Lines have consecutive numbers, from 0; `next` is the number of the line that comes next. */
export class DriveHistory {
  readonly #maxBytes: number;
  readonly #blockBytes: number;
  readonly #blocks: Block[] = [];
  #lines: string[] = [];
  #lineBytes = 0;
  #next = 0;
  /** The lines of the block before the present one, for pages that were gone for a moment. */
  #recent: readonly string[] = [];

  constructor({ maxBytes = 48 * MIB, blockBytes = 512 * KIB }: DriveHistoryOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#blockBytes = blockBytes;
  }

  get next(): number {
    return this.#next;
  }

  /** The oldest line that is still kept. */
  get first(): number {
    return this.#blocks[0]?.first ?? this.#next - this.#lines.length;
  }

  /** @param line ends with its newline. */
  append(line: string): void {
    this.#lines.push(line);
    this.#lineBytes += line.length;
    this.#next++;
    if (this.#lineBytes >= this.#blockBytes) this.#close();
  }

  /** Lines from `number` on; `undefined` when they are not at hand any more, or never were. */
  since(number: number): readonly string[] | undefined {
    const start = this.#next - this.#lines.length;
    // Not written as its opposite: NaN is no number of a line.
    if (!(number >= start - this.#recent.length && number <= this.#next)) return undefined;
    return number >= start
      ? this.#lines.slice(number - start)
      : [...this.#recent.slice(number - start), ...this.#lines];
  }

  /** Everything up to now, block by block; what comes meanwhile is not in it. */
  async *content(): AsyncGenerator<string> {
    const blocks = [...this.#blocks];
    const lines = this.#lines.join('');
    for (const { text, packed } of blocks) yield text ?? (await decompress(packed!)).toString();
    yield lines;
  }

  #close(): void {
    const text = this.#lines.join('');
    const block: Block = { first: this.#next - this.#lines.length, count: this.#lines.length, text };
    this.#recent = this.#lines;
    this.#lines = [];
    this.#lineBytes = 0;
    this.#blocks.push(block);
    void compress(text).then((packed) => {
      block.packed = packed;
      delete block.text;
      this.#shrink();
    });
  }

  #shrink(): void {
    const bytes = (): number =>
      this.#blocks.reduce((sum, { text, packed }) => sum + (packed?.length ?? text?.length ?? 0), 0);
    while (this.#blocks.length > 1 && bytes() > this.#maxBytes) this.#blocks.shift();
  }
}
