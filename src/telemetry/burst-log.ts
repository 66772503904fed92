/**
 * The drive log: every message that was reported, one JSON object a line, in a file of its own for each start. Lines
 * reach the disk once a second, together: what a power cut can take is the last second, and a torn last line, which the
 * reader passes over. Written in batches because SD cards wear.
 */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT, errorCode, errorMessage, MemtideError } from '../errors.ts';
import { MIB } from '../units.ts';
import type { FlowReport, ReportSink } from './reporter.ts';
import type { ReportPayload } from './schema.ts';

export interface BurstLogOptions {
  /** Made if missing. */
  readonly folder: string;
  readonly domain: string;
  readonly bootId: string;
  /** Time between two syncs. 1000 by default. */
  readonly syncMillis?: number;
  /** Size at which the log stops. 256 MiB by default: half a day of readings at 10 Hz. */
  readonly maxBytes?: number;
  /** Hears once of the first line that could not be kept. */
  readonly onProblem?: (reason: string) => void;
}

export interface BurstLogStatus {
  readonly file?: string;
  /** On disk, synced. */
  readonly syncedBytes: number;
  readonly droppedLines: number;
}

const DEFAULT_SYNC_MILLIS = 1000;
const DEFAULT_MAX_BYTES = 256 * MIB;
/** What may wait for a disk that stalls. */
const MAX_WAITING_BYTES = 1 * MIB;

export class BurstLog implements ReportSink {
  readonly #options: BurstLogOptions;
  #file: { readonly path: string; readonly handle: FileHandle } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #acceptedBytes = 0;
  #syncedBytes = 0;
  #droppedLines = 0;
  #problemReported = false;
  /** The last write failed and may have left a part of a line, which the next write must end. */
  #torn = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: BurstLogOptions) {
    this.#options = options;
  }

  /** @throws MemtideError when the folder cannot be written. */
  async start(): Promise<void> {
    const { folder, domain, bootId, syncMillis = DEFAULT_SYNC_MILLIS } = this.#options;
    this.#file = await openNew(folder, `drive-${bootId.slice(0, 8)}-${domain}`);
    this.#timer = setInterval(() => void this.flush(), syncMillis).unref();
  }

  /** Writes and syncs what waits, and closes. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
    const handle = this.#file?.handle;
    this.#file = undefined;
    await handle?.close();
  }

  take<Kind extends FlowReport>(report: Kind, payload: ReportPayload<Kind>): void {
    const line = `${JSON.stringify(Object.assign({ report, domain: this.#options.domain }, payload))}\n`;
    const length = Buffer.byteLength(line);
    const obstacle = this.#obstacleTo(length);
    if (obstacle !== undefined) {
      this.#drop(1, obstacle);
      return;
    }
    this.#acceptedBytes += length;
    this.#waitingBytes += length;
    this.#waiting.push(line);
  }

  /** Brings everything that was taken so far to the disk. Never rejects: what fails is counted. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  status(): BurstLogStatus {
    const file = this.#file?.path;
    return {
      ...(file === undefined ? {} : { file }),
      syncedBytes: this.#syncedBytes,
      droppedLines: this.#droppedLines,
    };
  }

  async #write(): Promise<void> {
    if (this.#file === undefined || this.#waiting.length === 0) return;
    const lines = this.#waiting;
    const content = (this.#torn ? '\n' : '') + lines.join('');
    this.#waiting = [];
    this.#waitingBytes = 0;
    try {
      await this.#file.handle.appendFile(content);
      await this.#file.handle.datasync();
      this.#torn = false;
      this.#syncedBytes += Buffer.byteLength(content);
    } catch (error) {
      this.#torn = true;
      this.#drop(lines.length, `${this.#file.path}: ${errorCode(error) ?? errorMessage(error)}`);
    }
  }

  /** Why a line of this length cannot be kept; `undefined` if it can. */
  #obstacleTo(length: number): string | undefined {
    if (this.#file === undefined) return 'the log is not open';
    const { maxBytes = DEFAULT_MAX_BYTES } = this.#options;
    if (this.#acceptedBytes + length > maxBytes) return `${this.#file.path} has reached its limit of ${maxBytes} bytes`;
    if (this.#waitingBytes + length > MAX_WAITING_BYTES) return `${this.#file.path}: the disk does not keep up`;
    return undefined;
  }

  #drop(lines: number, reason: string): void {
    this.#droppedLines += lines;
    if (this.#problemReported) return;
    this.#problemReported = true;
    this.#options.onProblem?.(reason);
  }
}

/** A new file, never an old one: what is in it was all written by this start, after the last torn line of another. */
async function openNew(folder: string, name: string): Promise<{ path: string; handle: FileHandle }> {
  try {
    await mkdir(folder, { recursive: true });
    for (let run = 1; ; run++) {
      const path = join(folder, `${name}-${run}.jsonl`);
      try {
        return { path, handle: await open(path, 'ax', 0o640) };
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
    }
  } catch (error) {
    throw new MemtideError({
      operation: 'open a drive log',
      object: folder,
      expected: 'a folder that this user may write',
      actual: errorCode(error) ?? errorMessage(error),
      remedy: 'choose another log_dir, or leave it out to keep no log',
      cause: error,
      exitCode: EXIT.unavailable,
    });
  }
}
