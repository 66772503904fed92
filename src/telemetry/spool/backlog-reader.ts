/** Reads stored records back, in order, a stretch at a time. */
import type { SpoolDisk } from './disk.ts';
import type { Segment } from './recovery.ts';
import { decodeHeader, decodeRecord, HEADER_BYTES, type StoredRecord } from './segment-format.ts';

/** Some hundred messages; read in one go. */
const CHUNK_BYTES = 64 * 1024;

export interface Stretch {
  readonly records: readonly StoredRecord[];
  /** The file could not be read on from this number, though it should. */
  readonly damagedAt?: number;
}

export class BacklogReader {
  readonly #disk: SpoolDisk;
  /** Where the reading stopped: records are found by reading on from there. */
  #at: { readonly name: string; readonly seed: number; readonly seq: number; readonly offset: number } | undefined;

  constructor(disk: SpoolDisk) {
    this.#disk = disk;
  }

  /**
   * Records of a segment from number `from` on: at least one, unless it is damaged there, or was removed meanwhile; at most
   * a chunk, and none beyond `to`.
   */
  async read(segment: Segment, from: number, to: number): Promise<Stretch> {
    const last = Math.min(to, segment.last);
    const records: StoredRecord[] = [];
    let at = this.#at;
    if (at?.name !== segment.name || at.seq > from) {
      const start = await this.#disk.readAt(segment.name, 0, HEADER_BYTES);
      if (!start) return { records };
      const header = decodeHeader(start);
      if (!header) return { records, damagedAt: segment.first };
      at = { name: segment.name, seed: header.seed, seq: segment.first, offset: HEADER_BYTES };
    }
    let length = CHUNK_BYTES;
    while (records.length === 0 && at.seq <= last) {
      const chunk = await this.#disk.readAt(segment.name, at.offset, length);
      if (!chunk) return { records };
      let used = 0;
      let seq: number = at.seq;
      for (; seq <= last; seq++) {
        const next = decodeRecord(chunk, used, seq, at.seed);
        if (next.kind === 'damaged') return { records, damagedAt: seq };
        if (next.kind === 'incomplete') {
          if (used > 0) break;
          if (chunk.length < length) return { records, damagedAt: seq };
          length = next.bytes;
          break;
        }
        if (seq >= from) records.push(next.record);
        used += next.bytes;
      }
      if (used > 0) length = CHUNK_BYTES;
      at = { ...at, seq, offset: at.offset + used };
    }
    this.#at = at;
    return { records };
  }
}
