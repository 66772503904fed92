/** Writes records to segments: batches, rotation, and a way out when the disk fails. One call at a time. */
import { MIB } from '../../units.ts';
import type { AppendFile, SpoolDisk } from './disk.ts';
import type { StoredGap } from './gap.ts';
import { type Interval, NumberSet } from './number-set.ts';
import type { Segment } from './recovery.ts';
import {
  encodeHeader,
  encodeRecord,
  FRAME_BYTES,
  HEADER_BYTES,
  MAX_TEXT_BYTES,
  recordBytes,
  type SegmentHeader,
  type StoredRecord,
  segmentName,
} from './segment-format.ts';

/**
 * What may be appended and not yet on disk. An opening after a power cut goes on at least this many numbers later, because
 * as many may have been published and lost: no number ever stands for two records.
 */
export const MAX_UNSYNCED_RECORDS = 4096;
const MAX_UNSYNCED_BYTES = 1 * MIB;

export interface SegmentWriterOptions {
  readonly disk: SpoolDisk;
  /** What is held, oldest first. The writer adds to it. */
  readonly segments: Segment[];
  readonly header: Omit<SegmentHeader, 'first'>;
  readonly segmentBytes: number;
  /** The first number to be appended. */
  readonly next: number;
  /** A segment is about to begin, and all others are on disk: room has to be made. May append. */
  readonly beforeSegment: () => void;
}

/** The segment that is being written. */
interface Current {
  readonly segment: Segment;
  readonly file: AppendFile;
  /** Of its header, for the checksums. */
  readonly seed: number;
}

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  readonly #maxUnsyncedBytes: number;
  #current: Current | undefined;
  /** Numbers `synced + 1` and following: kept until they are on disk, to be written again if that fails. */
  #unsynced: StoredRecord[] = [];
  #unsyncedBytes = 0;
  #written: number;
  #synced: number;
  readonly #unsyncedGaps = new Map<number, StoredGap>();

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    // Half a segment, so that an eviction for what waits is never more than the cap has set aside.
    this.#maxUnsyncedBytes = Math.min(MAX_UNSYNCED_BYTES, Math.floor(options.segmentBytes / 2));
    this.#written = options.next - 1;
    this.#synced = options.next - 1;
  }

  get segments(): Segment[] {
    return this.#options.segments;
  }
  get written(): number {
    return this.#written;
  }
  get synced(): number {
    return this.#synced;
  }
  get unsynced(): readonly StoredRecord[] {
    return this.#unsynced;
  }
  get hasRoom(): boolean {
    return this.#unsynced.length < MAX_UNSYNCED_RECORDS && this.#unsyncedBytes < this.#maxUnsyncedBytes;
  }
  get isHalfFull(): boolean {
    return this.#unsynced.length >= MAX_UNSYNCED_RECORDS / 2 || this.#unsyncedBytes >= this.#maxUnsyncedBytes / 2;
  }

  /** @returns false for a record that is too long for any segment. */
  append(record: StoredRecord): boolean {
    const size = recordBytes(record);
    if (size > Math.min(MAX_TEXT_BYTES, this.#maxUnsyncedBytes) - FRAME_BYTES) return false;
    this.#unsynced.push(record);
    this.#unsyncedBytes += size;
    return true;
  }

  /** Of the gap record of this number, which was just appended. */
  noteGap(gap: StoredGap): void {
    this.#unsyncedGaps.set(gap.seq, gap);
  }

  /** Writes what waits, as far as one segment takes it. @returns whether more waits. */
  async writeSome(): Promise<boolean> {
    if (this.#written - this.#synced === this.#unsynced.length) return false;
    const { segment, file, seed } = this.#current ?? (await this.#begin());
    const waiting = this.#unsynced.slice(this.#written - this.#synced);
    const frames: Buffer[] = [];
    let size = segment.bytes;
    for (const record of waiting) {
      size += recordBytes(record);
      if (size > this.#options.segmentBytes) break;
      frames.push(encodeRecord(record, seed));
    }
    if (frames.length === 0) {
      await this.sync();
      await this.close();
      return true;
    }
    const bytes = Buffer.concat(frames);
    await file.append(bytes);
    segment.bytes += bytes.length;
    this.#written += frames.length;
    segment.last = this.#written;
    for (const { seq, kind } of waiting.slice(0, frames.length)) {
      if (kind === 'gap') segment.gaps.push(this.#unsyncedGaps.get(seq)!);
    }
    return frames.length < waiting.length;
  }

  /** @returns the number up to which everything is on disk now. */
  async sync(): Promise<number> {
    const current = this.#current;
    if (!current || this.#synced === this.#written) return this.#synced;
    await current.file.sync();
    for (const record of this.#unsynced.splice(0, this.#written - this.#synced)) {
      this.#unsyncedBytes -= recordBytes(record);
      this.#unsyncedGaps.delete(record.seq);
    }
    this.#synced = this.#written;
    current.segment.syncedBytes = current.segment.bytes;
    return this.#synced;
  }

  /**
   * After a failure nobody knows what the disk has of what was not synced (Linux drops the pages of a failed fsync): this
   * segment ends at the last sync, and the rest is written again to the next.
   */
  async fence(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    this.#written = this.#synced;
    if (!current) return;
    const { segment, file } = current;
    segment.last = this.#synced;
    segment.bytes = segment.syncedBytes;
    segment.gaps.splice(0, segment.gaps.length, ...segment.gaps.filter(({ seq }) => seq <= this.#synced));
    // Where this fails too, the next opening finds records that the next segment has as well, and takes those.
    await file.close().catch(() => {});
    if (segment.last >= segment.first) await this.#options.disk.truncate(segment.name, segment.bytes).catch(() => {});
    else this.segments.splice(this.segments.indexOf(segment), 1);
  }

  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    await current?.file.close();
  }

  hasSealedUpTo(watermark: number): boolean {
    const oldest = this.segments[0];
    return oldest !== undefined && oldest !== this.#current?.segment && oldest.last <= watermark;
  }

  /** Takes the full segments from the books that hold nothing beyond `watermark`. */
  takeSealedUpTo(watermark: number): Segment[] {
    const passed: Segment[] = [];
    while (this.hasSealedUpTo(watermark)) passed.push(this.segments.shift()!);
    return passed;
  }

  /** What from number `from` on is no longer held, and no gap record that is held tells of. */
  untoldBefore(from: number): Interval | undefined {
    const held = this.segments[0]?.first ?? this.#synced + 1;
    const told = new NumberSet(this.#gaps.map((gap): Interval => [gap.from, gap.to]));
    const first = told.firstMissing(from);
    return first < held ? [first, held - 1] : undefined;
  }

  /** Numbers of the gap records that tell of anything from `from` to `to`. */
  tellersOf(from: number, to: number): number[] {
    return this.#gaps.filter((gap) => gap.from <= to && gap.to >= from).map(({ seq }) => seq);
  }

  get #gaps(): StoredGap[] {
    return [...this.segments.flatMap(({ gaps }) => gaps), ...this.#unsyncedGaps.values()];
  }

  async #begin(): Promise<Current> {
    this.#options.beforeSegment();
    const first = this.#written + 1;
    const name = segmentName(first);
    const { bytes, seed } = encodeHeader({ ...this.#options.header, first });
    const file = await this.#options.disk.create(name);
    const segment: Segment = { name, first, last: first - 1, bytes: HEADER_BYTES, syncedBytes: 0, gaps: [] };
    const current = { segment, file, seed };
    this.#current = current;
    this.segments.push(segment);
    await file.append(bytes);
    return current;
  }
}
