import { blocksPerChunk, type Geometry } from '../../src/control/layout.ts';
import type { Claimed } from '../../src/platforms/contracts.ts';
import { cut } from './cuts.ts';
import { Violation } from './violation.ts';

/** Whoever can hold memory: it writes its tag into each block. */
export interface Holder {
  readonly tag: number;
  readonly name: string;
  /** Of a hostile domain: what it says of its own memory is believed, so that it may lose what it uses. */
  readonly isHostile: boolean;
}

/** The arena, of which only a tag a block is kept: who wrote it last, 0 for zeroes. It knows who may write. */
export class TaggedMemory {
  readonly blocksPerChunk: number;
  readonly tags: Int32Array;
  readonly #holders: (Holder | undefined)[];
  readonly #blockBytes: number;
  /** Who may have put what it wrote back among the offers by forgery: decisions/0012. */
  readonly hostileTags = new Set<number>();
  /** Sabotage: memory stays as it was. */
  scrubbing = true;

  constructor(geometry: Geometry) {
    this.blocksPerChunk = blocksPerChunk(geometry);
    this.#blockBytes = 2 ** geometry.blockShift;
    this.tags = new Int32Array(geometry.chunkCount * this.blocksPerChunk);
    this.#holders = new Array(this.tags.length).fill(undefined);
  }

  /** Zeroes a range, block by block: whoever does it may be killed in between. */
  scrub(offset: number, length: number): void {
    const first = offset / this.#blockBytes;
    const end = (offset + length) / this.#blockBytes;
    if (!(Number.isInteger(first) && Number.isInteger(end) && end > first && first >= 0 && end <= this.tags.length)) {
      throw new Violation('no crash', `a scrub of ${length} bytes at ${offset}`);
    }
    for (let block = first; block < end; block++) {
      cut();
      const holder = this.#protected(block);
      if (holder) throw new Violation('one owner', `block ${block} of ${holder.name} is scrubbed while it is used`);
      if (this.scrubbing) this.tags[block] = 0;
    }
  }

  /** The system takes a chunk's memory, or gives new: zeroes either way. */
  renew(chunk: number): void {
    const first = chunk * this.blocksPerChunk;
    for (let block = first; block < first + this.blocksPerChunk; block++) {
      const holder = this.#protected(block);
      if (holder) throw new Violation('one owner', `block ${block} of ${holder.name} goes back to the system`);
    }
    this.tags.fill(0, first, first + this.blocksPerChunk);
  }

  /** A claim has succeeded: it must be zeroed, and nobody else's. */
  take(holder: Holder, claimed: Claimed): void {
    this.#each(claimed, (block) => {
      const other = this.#protected(block);
      if (other) throw new Violation('one owner', `block ${block} belongs to ${other.name} and to ${holder.name}`);
      const before = this.tags[block]!;
      if (before !== 0 && !holder.isHostile && !this.hostileTags.has(before)) {
        throw new Violation('scrubbed', `block ${block} reaches ${holder.name} as writer ${before} left it`);
      }
      this.#holders[block] = holder;
      this.tags[block] = holder.tag;
    });
  }

  /** Before it is released: from then on it may be anybody's. */
  give(holder: Holder, claimed: Claimed): void {
    this.#each(claimed, (block) => {
      if (this.#holders[block] === holder) this.#holders[block] = undefined;
    });
  }

  /** The process has ended: what it wrote stays. */
  forget(holder: Holder): void {
    for (let block = 0; block < this.#holders.length; block++) {
      if (this.#holders[block] === holder) this.#holders[block] = undefined;
    }
  }

  isHeld(chunk: number): boolean {
    const first = chunk * this.blocksPerChunk;
    for (let block = first; block < first + this.blocksPerChunk; block++) if (this.#protected(block)) return true;
    return false;
  }

  /** What is held must be as its holder left it. */
  check(): void {
    const { tags } = this;
    for (let block = 0; block < tags.length; block++) {
      const holder = this.#protected(block);
      if (holder && tags[block] !== holder.tag) {
        throw new Violation('one owner', `block ${block} of ${holder.name} was written by ${tags[block]}`);
      }
    }
  }

  #protected(block: number): Holder | undefined {
    const holder = this.#holders[block];
    return holder?.isHostile ? undefined : holder;
  }

  #each({ start, chunks, blocks, firstBlock, scattered }: Claimed, visit: (block: number) => void): void {
    const size = this.blocksPerChunk;
    if (scattered) {
      for (const chunk of scattered.chunks) for (let block = 0; block < size; block++) visit(chunk * size + block);
      for (const block of scattered.blocks) visit(block);
      return;
    }
    for (let block = 0; block < chunks * size; block++) visit(start * size + block);
    for (let block = 0; block < blocks; block++) visit((start + chunks) * size + firstBlock + block);
  }
}
