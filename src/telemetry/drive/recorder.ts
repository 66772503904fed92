/**
 * Records drives: what a sink receives goes to a file for each vehicle (format.ts), and once it is on disk, the sink may say so.
 *
 * A file ends with the recorder, when its vehicle has been silent for ten minutes, or when it is long enough. What a vehicle
 * still had to tell of an earlier boot goes to a file of its own, so that yesterday's drive is not in the middle of today's.
 */
import { closeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../clock.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { MIB } from '../../units.ts';
import type { ReadSyncState } from '../clock-sync.ts';
import { lockFolder } from '../folder-lock.ts';
import type { ReportPayload } from '../schema.ts';
import { FolderDisk } from '../spool/disk.ts';
import type { Report } from '../topics.ts';
import { DriveFile } from './drive-file.ts';
import { clockLine, headerLine, messageLine } from './format.ts';
import { Held, type HeldSpool, type HeldWord, wordOf } from './held.ts';

export interface DriveRecorderOptions {
  /** Made if missing; of this recorder alone. */
  readonly folder: string;
  readonly clock: Clock;
  readonly bootId: string;
  readonly readSyncState: ReadSyncState;
  /** Program and version, for the headers. */
  readonly recorder: string;
  /** Length at which the next file begins. 256 MiB by default: half a day of two domains at 10 Hz. */
  readonly maxFileBytes?: number;
  /**
   * Shortest time between two writings of the books, without which nothing is confirmed. 5000 by default: sooner wears this
   * disk, later costs the spools some seconds of theirs.
   */
  readonly confirmMillis?: number;
  /** Hears of a disk that fails, once until it works again. */
  readonly onProblem?: (reason: string) => void;
}

export interface RecorderStatus {
  readonly files: readonly string[];
  readonly recorded: number;
  /** Messages that were there already. */
  readonly duplicates: number;
  /** Not taken, because the disk does not keep up: they are not confirmed either. */
  readonly refused: number;
  readonly problem?: string;
}

/** A report that has been checked against its schema. */
export interface Received {
  readonly vehicle: string;
  readonly domain: string;
  readonly report: Report;
  readonly payload: Readonly<Record<string, unknown>>;
}

const DEFAULT_MAX_FILE_BYTES = 256 * MIB;
const MAX_WAITING_BYTES = 16 * MIB;
const SILENCE_MICROS = 600_000_000;
const CLOCK_MICROS = 10_000_000;
const SYNC_MICROS = 1_000_000;
const DEFAULT_CONFIRM_MILLIS = 5000;
const BOOKS = 'sink.json';
/** Bounds for what hostile agents can cost. */
const MAX_STREAMS = 128;
const MAX_BOOTS = 1024;

interface Stream {
  readonly file: DriveFile;
  /** Boots that were heard live: only in the stream of what is live. */
  readonly boots: Set<string>;
  heardAt: number;
  /** When its clock was last written, and last looked at. */
  clockAt: number;
  lookedAt: number;
  synced: boolean | undefined;
}

export class DriveRecorder {
  readonly #options: DriveRecorderOptions;
  readonly #disk: FolderDisk;
  /** By vehicle: `live`, and `late` for boots that are over. */
  readonly #streams = new Map<string, Stream>();
  readonly #ended: Stream[] = [];
  #held = new Held();
  /** What the file of the books says. */
  #told: readonly HeldSpool[] = [];
  #booksAt = Number.NEGATIVE_INFINITY;
  #booksDirty = false;
  #lock: number | undefined;
  #recorded = 0;
  #duplicates = 0;
  #refused = 0;
  #problem: string | undefined;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: DriveRecorderOptions) {
    this.#options = options;
    this.#disk = new FolderDisk(options.folder);
  }

  /** @throws MemtideError when the folder cannot be used. */
  async start(): Promise<void> {
    const { folder } = this.#options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o750 });
      this.#lock = lockFolder(folder);
      if (this.#lock === undefined) throw new Error('another recorder uses it');
      this.#told = booksOf((await this.#disk.read(BOOKS)) ?? (await this.#disk.read(`${BOOKS}.bak`)));
    } catch (cause) {
      throw new MemtideError({
        operation: 'record drives',
        object: folder,
        expected: 'a folder that this user may write',
        actual: errorCode(cause) ?? errorMessage(cause),
        remedy: 'choose another folder',
        cause,
        exitCode: EXIT.unavailable,
      });
    }
    this.#held = new Held(this.#told);
  }

  /** Takes a message. @returns whether it was taken: not one that is held already, or that there is no room for. */
  take(received: Received): boolean {
    const { vehicle, domain, report, payload } = received;
    const { spool, spool_seq: seq } = payload as { readonly spool?: string; readonly spool_seq?: number };
    if (spool !== undefined && seq !== undefined && this.#held.has(received, spool, seq)) {
      this.#duplicates++;
      return false;
    }
    const stream = this.#streamOf(vehicle, payload);
    if (!stream || stream.file.waitingBytes > MAX_WAITING_BYTES) {
      this.#refused++;
      return false;
    }
    const now = this.#options.clock.monotonicMicros();
    stream.heardAt = now;
    this.#noteClock(stream, now);
    stream.file.append(messageLine({ report, domain, rxMillis: Math.round(now) / 1000, payload }));
    this.#recorded++;
    if (spool !== undefined && seq !== undefined) {
      const gap = report === 'event/gap' ? (payload as ReportPayload<'event/gap'>) : undefined;
      this.#held.add(received, spool, seq, gap);
      this.#booksDirty = true;
    } else if (spool !== undefined && this.#held.meet(received, spool)) this.#booksDirty = true;
    return true;
  }

  /** Brings what was taken to the disk. Never rejects: what fails stays in memory, and is tried again. */
  flush(): Promise<void> {
    const done = this.#work.then(() => this.#flush(false));
    this.#work = done;
    return done;
  }

  /** Brings everything to the disk, and ends the files. */
  async stop(): Promise<void> {
    await this.#work;
    await this.#flush(true);
    for (const { file } of [...this.#streams.values(), ...this.#ended]) await file.close();
    if (this.#lock !== undefined) closeSync(this.#lock);
    this.#lock = undefined;
  }

  /** What may be confirmed: it is on disk, and in the books. */
  words(): HeldWord[] {
    return this.#told.map(wordOf);
  }

  status(): RecorderStatus {
    return {
      files: [...this.#streams.values()].flatMap(({ file: { path } }) => (path === undefined ? [] : [path])),
      recorded: this.#recorded,
      duplicates: this.#duplicates,
      refused: this.#refused,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  /** `undefined` where there are too many already. */
  #streamOf(vehicle: string, { boot, historical }: Received['payload']): Stream | undefined {
    const live = this.#streams.get(`${vehicle} live`);
    const isLate = historical === true && typeof boot === 'string' && live?.boots.has(boot) !== true;
    const key = `${vehicle} ${isLate ? 'late' : 'live'}`;
    const known = this.#streams.get(key);
    const { clock, maxFileBytes = DEFAULT_MAX_FILE_BYTES } = this.#options;
    if (!known && this.#streams.size >= MAX_STREAMS) return undefined;
    const silent = known !== undefined && clock.monotonicMicros() - known.heardAt >= SILENCE_MICROS;
    let stream = known;
    if (!stream || silent || stream.file.syncedBytes + stream.file.waitingBytes >= maxFileBytes) {
      if (known) this.#ended.push(known);
      stream = this.#newStream(vehicle, isLate);
      this.#streams.set(key, stream);
    }
    if (!isLate && typeof boot === 'string' && stream.boots.size < MAX_BOOTS) stream.boots.add(boot);
    return stream;
  }

  #newStream(vehicle: string, isLate: boolean): Stream {
    const { clock, folder, bootId, recorder } = this.#options;
    const began = new Date(clock.wallMillis()).toISOString().replace(/[-:]|\.\d+Z$/g, '');
    const name = `${vehicle}-${began}${isLate ? '-late' : ''}`;
    const preamble = (): string => headerLine({ vehicle, recorder, boot: bootId }) + this.#clockNow().line;
    const file = new DriveFile(folder, name, preamble);
    const now = clock.monotonicMicros();
    return { file, boots: new Set(), heardAt: now, clockAt: now, lookedAt: now, synced: this.#clockNow().synced };
  }

  #noteClock(stream: Stream, now: number): void {
    if (now - stream.lookedAt < SYNC_MICROS) return;
    stream.lookedAt = now;
    const { line, synced } = this.#clockNow();
    if (synced === stream.synced && now - stream.clockAt < CLOCK_MICROS) return;
    stream.synced = synced;
    stream.clockAt = now;
    stream.file.append(line);
  }

  #clockNow(): { readonly line: string; readonly synced: boolean | undefined } {
    const { clock, readSyncState } = this.#options;
    const sync = readSyncState();
    const synced = sync.known ? { synced: sync.synced } : {};
    const monoMillis = Math.round(clock.monotonicMicros()) / 1000;
    return { line: clockLine({ monoMillis, wallMillis: clock.wallMillis(), ...synced }), synced: synced.synced };
  }

  async #flush(isLast: boolean): Promise<void> {
    // Before the files: what is taken meanwhile is not in them yet.
    const held = this.#booksDirty && this.#areBooksDue(isLast) ? this.#held.snapshot() : undefined;
    if (held) this.#booksDirty = false;
    try {
      for (const { file } of [...this.#ended, ...this.#streams.values()]) await file.flush();
      for (const { file } of this.#ended.splice(0)) await file.close();
      if (held) {
        await this.#disk.replace(BOOKS, `${JSON.stringify(held)}\n`);
        this.#told = held;
        this.#booksAt = this.#options.clock.monotonicMicros();
      }
      this.#problem = undefined;
    } catch (error) {
      this.#booksDirty ||= held !== undefined;
      const reason = `${this.#options.folder}: ${errorCode(error) ?? errorMessage(error)}`;
      if (this.#problem === undefined) this.#options.onProblem?.(reason);
      this.#problem = reason;
    }
  }

  #areBooksDue(isLast: boolean): boolean {
    const { clock, confirmMillis = DEFAULT_CONFIRM_MILLIS } = this.#options;
    return isLast || clock.monotonicMicros() - this.#booksAt >= confirmMillis * 1000;
  }
}

/** Books that cannot be read cost duplicates. */
function booksOf(content: Buffer | undefined): readonly HeldSpool[] {
  try {
    return JSON.parse(content?.toString('utf8') ?? '[]') as readonly HeldSpool[];
  } catch {
    return [];
  }
}
