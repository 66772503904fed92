/**
 * The spool: records on disk until a sink has them. Appending numbers a record and returns at once; it is written with its
 * neighbours of the same moment, and synced with those of the same interval, because SD cards wear.
 *
 * - *written*: handed to the kernel. It survives the process, and only now is it sent, so that no number is ever published
 *   and then given to something else within a boot.
 * - *acknowledged*: synced. It survives a power cut.
 *
 * Segments stay until a sink's watermark passes them or the cap evicts the oldest. An eviction first brings a gap record to
 * the disk that says what goes.
 */
import type { Clock } from '../../clock.ts';
import { errorCode, errorMessage } from '../../errors.ts';
import { MIB } from '../../units.ts';
import { MAX_CONTENT_BYTES } from '../kinds.ts';
import type { Stamp } from '../schema.ts';
import { BacklogReader } from './backlog-reader.ts';
import type { SpoolStatus } from './contracts.ts';
import { type Cursor, readCursor, writeCursor } from './cursor.ts';
import { Delivery } from './delivery.ts';
import type { SpoolDisk } from './disk.ts';
import { gapOfLoss, takeOldest } from './eviction.ts';
import { type Gap, gapPayload, isNewLoss, newlyLost } from './gap.ts';
import { openingOf } from './opening.ts';
import { recover, type Segment } from './recovery.ts';
import type { StoredRecord } from './segment-format.ts';
import { SegmentWriter } from './segment-writer.ts';

export interface SpoolOptions {
  readonly disk: SpoolDisk;
  readonly clock: Clock;
  readonly bootId: string;
  /** 16 hexadecimal digits that no other spool has; for a spool that is new. */
  readonly newId: () => string;
  /** Of a gap record. */
  readonly stamp: () => Stamp;
  /** All files together stay within it. At least 1 MiB. */
  readonly capBytes: number;
  /** Hears of each record once, in order, when it may be sent. */
  readonly onWritten?: (records: readonly StoredRecord[]) => void;
  /** Hears up to which number everything is on disk. */
  readonly onAcknowledged?: (seq: number) => void;
  /** Hears of a disk that fails, once until it works again. */
  readonly onProblem?: (reason: string) => void;
}

const CURSOR_MICROS = 10_000_000;
/** A record of the backlog goes out with a word more. */
const MAX_STORED_BYTES = MAX_CONTENT_BYTES - 64;
/** How long a disk that failed is left alone. */
const RETRY_MICROS = 1_000_000;
/** Segments that the cap holds: the smaller they are, the less one eviction takes. */
const SEGMENTS = 16;
const MAX_SEGMENT_BYTES = 4 * MIB;

export class Spool {
  readonly #options: SpoolOptions;
  readonly #disk: SpoolDisk;
  readonly #reader: BacklogReader;
  readonly #segmentBytes: number;
  #id = '';
  #delivery = new Delivery({ watermark: 0, hasSink: false, delivered: [] });
  #writer!: SegmentWriter;
  /** Evicted, but on disk until the gap record that tells of them is. */
  #doomed: Segment[] = [];
  #doomedUntil = 0;
  #next = 1;
  #offered = 0;
  #acknowledged = 0;
  #dropped = 0;
  #gaps = 0;
  #countedTo = 0;
  #damagedBytes = 0;
  #refused = 0;
  #open = false;
  #writeAsked = false;
  #problem: string | undefined;
  #retryAt = 0;
  #cursorDirty = false;
  #cursorAt = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.#reader = new BacklogReader(options.disk);
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.floor(options.capBytes / SEGMENTS));
  }

  /** Recovers what is there. @throws what the disk throws. */
  async start(): Promise<void> {
    const { cursor, damaged } = await readCursor(this.#disk);
    const found = await recover(this.#disk, cursor?.floor ?? 1);
    const { bootId, newId } = this.#options;
    const opening = openingOf(found, cursor, { bootId, cursorDamaged: damaged });
    this.#id = opening.spoolId ?? newId();
    this.#delivery = new Delivery(opening);
    this.#next = opening.next;
    this.#offered = opening.next - 1;
    this.#acknowledged = opening.next - 1;
    this.#dropped = opening.droppedRecords;
    this.#gaps = opening.gaps;
    this.#countedTo = opening.countedTo;
    this.#damagedBytes = opening.damagedBytes;
    this.#writer = new SegmentWriter({
      disk: this.#disk,
      segments: found.segments,
      header: { spoolId: this.#id, bootId },
      segmentBytes: this.#segmentBytes,
      next: opening.next,
      beforeSegment: () => this.#evict(),
    });
    // Before anything is sent: the clean end of the last run holds no more.
    await this.#saveCursor(false);
    this.#open = true;
    for (const gap of opening.untold) this.#tell(gap);
    await this.flush();
  }

  /**
   * Takes a message. @returns its number, or `undefined` where it cannot be kept: the disk fails or does not keep up, or the
   * message is too long.
   */
  append(leaf: string, payload: object): number | undefined {
    if (this.#open && this.#writer.hasRoom) {
      const seq = this.#number('message', leaf, payload);
      if (seq !== undefined) return seq;
    }
    this.#refused++;
    return undefined;
  }

  /** Writes and syncs what was appended so far, and saves the cursor from time to time. Never rejects. */
  flush(): Promise<void> {
    return this.#queue(async () => {
      await this.#writeOut();
      await this.#sync();
      const now = this.#options.clock.monotonicMicros();
      if (this.#cursorDirty && this.#doomed.length === 0 && now - this.#cursorAt >= CURSOR_MICROS)
        await this.#saveCursor(false);
    });
  }

  /** Brings everything to the disk. What is appended later is refused. */
  async stop(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#retryAt = 0;
    await this.flush();
    await this.#queue(async () => {
      const clean = this.#writer.synced === this.#next - 1;
      await this.#writer.close();
      // While an eviction is not told on disk, the cursor must not know of it.
      if (this.#doomed.length === 0) await this.#saveCursor(clean);
    });
  }

  get id(): string {
    return this.#id;
  }

  get delivery(): Delivery {
    return this.#delivery;
  }

  /** The highest number that may be sent. */
  get written(): number {
    return this.#offered;
  }

  /** A broker has acknowledged it. */
  delivered(seq: number): void {
    this.#delivery.delivered.add(seq);
    this.#cursorDirty = true;
  }

  /** A sink holds everything up to `watermark`, at most `written`. Segments that it passes go. */
  confirm(watermark: number): void {
    if (!this.#delivery.confirm(watermark)) return;
    this.#cursorDirty = true;
    if (this.#writer.hasSealedUpTo(watermark)) void this.#queue(() => this.#removeConfirmed());
  }

  /** A sink lacks it: to be sent again as far as it is held, and told as a gap as far as it is not. */
  resend(from: number, to: number): void {
    if (!this.#open) return;
    const gone = this.#writer.untoldBefore(from);
    if (gone) this.#tell({ cause: 'expired', from: gone[0], to: gone[1] });
    this.#delivery.delivered.remove(from, to);
    for (const seq of this.#writer.tellersOf(from, to)) this.#delivery.delivered.remove(seq);
    this.#cursorDirty = true;
  }

  /**
   * Some records from `from` to `to` in order, perhaps none; what is no longer there, or can no longer be read, counts as
   * dealt with. Never rejects.
   */
  async read(from: number, to: number): Promise<readonly StoredRecord[]> {
    const { segments, unsynced, synced } = this.#writer;
    if (from > synced) return unsynced.filter(({ seq }) => seq >= from && seq <= Math.min(to, this.#offered));
    const last = Math.min(to, synced);
    const segment = segments.find((candidate) => candidate.last >= from);
    const first = segment ? Math.max(from, segment.first) : last + 1;
    this.#delivery.delivered.add(from, Math.min(last, first - 1));
    if (!segment || first > last) return [];
    try {
      const { records, damagedAt } = await this.#reader.read(segment, first, last);
      if (damagedAt !== undefined) this.#giveUp(segment, Math.max(damagedAt, first));
      return records;
    } catch (error) {
      if (errorCode(error) === 'EIO') this.#giveUp(segment, first);
      else this.#report(error);
      return [];
    }
  }

  status(): SpoolStatus {
    const { watermark, hasSink } = this.#delivery;
    const sizes = [...this.#writer.segments, ...this.#doomed].map(({ bytes }) => bytes);
    const held = this.#writer.segments.reduce(
      (sum, { first, last }) => sum + Math.max(0, last - Math.max(first - 1, watermark)),
      0,
    );
    return {
      id: this.#id,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      cap_bytes: this.#options.capBytes,
      unsent: this.#delivery.unsent(this.#offered),
      unconfirmed: held,
      acknowledged_seq: this.#writer.synced,
      watermark,
      has_sink: hasSink,
      dropped: this.#dropped,
      gaps: this.#gaps,
      damaged_bytes: this.#damagedBytes,
      refused: this.#refused,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  #number(kind: StoredRecord['kind'], leaf: string, payload: object): number | undefined {
    const seq = this.#next;
    const content = JSON.stringify({ ...payload, spool: this.#id, spool_seq: seq });
    if (Buffer.byteLength(content) > MAX_STORED_BYTES || !this.#writer.append({ seq, kind, leaf, content }))
      return undefined;
    this.#next++;
    this.#askToWrite();
    return seq;
  }

  #tell(gap: Gap): void {
    const seq = this.#number('gap', 'event/gap', gapPayload(this.#options.stamp(), gap))!;
    this.#writer.noteGap({ ...gap, seq });
    this.#dropped += newlyLost(gap);
    if (isNewLoss(gap)) this.#gaps++;
    this.#countedTo = seq;
  }

  /** Once for all that is appended in the same turn. */
  #askToWrite(): void {
    if (this.#writeAsked) return;
    this.#writeAsked = true;
    void this.#queue(() => this.#writeOut());
  }

  async #writeOut(): Promise<void> {
    this.#writeAsked = false;
    if (this.#options.clock.monotonicMicros() < this.#retryAt) return;
    for (let more = true; more; ) {
      more = await this.#writer.writeSome();
      const fresh = this.#writer.unsynced.filter(({ seq }) => seq > this.#offered && seq <= this.#writer.written);
      if (fresh.length === 0) continue;
      this.#offered = fresh.at(-1)!.seq;
      this.#options.onWritten?.(fresh);
    }
    if (this.#doomed.length > 0 || this.#writer.isHalfFull) await this.#sync();
  }

  async #sync(): Promise<void> {
    const synced = await this.#writer.sync();
    if (synced > this.#acknowledged) {
      this.#acknowledged = synced;
      this.#problem = undefined;
      this.#options.onAcknowledged?.(synced);
    }
    if (this.#doomed.length > 0 && synced >= this.#doomedUntil) {
      // First the numbers of what goes, which must never be given out again.
      await this.#saveCursor(false);
      for (const { name } of this.#doomed) await this.#disk.remove(name);
      this.#doomed = [];
    }
  }

  /** Makes room for the segment that comes next, what waits for it, and what is evicted in the meantime. */
  #evict(): void {
    const evicted = takeOldest(this.#writer.segments, this.#options.capBytes - 3 * this.#segmentBytes);
    if (evicted.length === 0) return;
    const gap = gapOfLoss('cap', evicted, this.#delivery);
    this.#delivery.delivered.add(1, evicted.at(-1)!.last);
    this.#doomed.push(...evicted);
    if (gap) this.#tell(gap);
    this.#doomedUntil = this.#next - 1;
  }

  /** From here on a segment can no longer be read. */
  #giveUp(segment: Segment, from: number): void {
    const { last } = segment;
    const loss = { first: from, last, gaps: segment.gaps.filter(({ seq }) => seq >= from) };
    const gap = gapOfLoss('damage', [loss], this.#delivery);
    // A sink that asks again is told again what it was told, by the record that told it.
    if (gap && this.#writer.tellersOf(gap.from, gap.to).every((seq) => seq >= from && seq <= last)) this.#tell(gap);
    this.#delivery.delivered.add(from, last);
  }

  async #removeConfirmed(): Promise<void> {
    await this.#writeOut();
    await this.#sync();
    this.#doomed.push(...this.#writer.takeSealedUpTo(this.#delivery.watermark));
    await this.#sync();
  }

  async #saveCursor(clean: boolean): Promise<void> {
    const cursor: Cursor = {
      spoolId: this.#id,
      next: this.#next,
      floor: this.#writer.segments[0]?.first ?? this.#next,
      clean,
      watermark: this.#delivery.watermark,
      hasSink: this.#delivery.hasSink,
      delivered: this.#delivery.intervals,
      droppedRecords: this.#dropped,
      gaps: this.#gaps,
      countedTo: this.#countedTo,
      damagedBytes: this.#damagedBytes,
    };
    this.#cursorDirty = false;
    this.#cursorAt = this.#options.clock.monotonicMicros();
    await writeCursor(this.#disk, cursor);
  }

  /** One step at a time. What fails is reported, and what was not synced is written again later, to a new segment. */
  #queue(step: () => Promise<void>): Promise<void> {
    const done = this.#work.then(async () => {
      try {
        await step();
      } catch (error) {
        this.#report(error);
        this.#retryAt = this.#options.clock.monotonicMicros() + RETRY_MICROS;
        await this.#writer.fence();
      }
    });
    this.#work = done;
    return done;
  }

  #report(error: unknown): void {
    const reason = `${this.#disk.name}: ${errorCode(error) ?? errorMessage(error)}`;
    if (this.#problem === undefined) this.#options.onProblem?.(reason);
    this.#problem = reason;
  }
}
