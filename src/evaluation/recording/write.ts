import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { EXIT, MemtideError } from '../../errors.ts';
import { COLUMNS, formatHeader, formatRow, type Provenance, TIME_STEP_MICROS } from './format.ts';

/** Rows are handed to the file system in runs of this size, about twice a second at 100 Hz: a power cut costs one run. */
const RUN_BYTES = 1024;

/** Writes a recording while it is made. The rows never wait for the disk: what cannot be written yet is queued. */
export class RecordingWriter {
  readonly #stream: WriteStream;
  readonly #opened: Promise<unknown>;
  readonly #path: string;
  #run: string;
  #lastStep = -1;
  #failure: Error | undefined;

  /** @param provenance absent: plain CSV, with no header. An existing file is replaced. */
  constructor(path: string, provenance: Provenance | undefined) {
    this.#path = path;
    this.#stream = createWriteStream(path, { encoding: 'utf8' });
    this.#opened = once(this.#stream, 'open');
    this.#opened.catch(() => {}); // Told by `ready`.
    this.#stream.on('error', (error) => {
      this.#failure ??= error;
    });
    this.#run = provenance ? formatHeader(provenance) : `${COLUMNS}\n`;
  }

  /** Waits until the file is there. @throws MemtideError if it cannot be made. */
  async ready(): Promise<void> {
    try {
      await this.#opened;
    } catch (error) {
      throw this.#failed(error as Error);
    }
  }

  /** Of samples that the format cannot tell apart (TIME_STEP_MICROS) the first is kept. */
  append(atMicros: number, usedBytes: number): void {
    const step = Math.round(atMicros / TIME_STEP_MICROS);
    if (step <= this.#lastStep) return;
    this.#lastStep = step;
    this.#run += formatRow(step * TIME_STEP_MICROS, usedBytes);
    if (this.#run.length >= RUN_BYTES) this.#flush();
  }

  /** @throws MemtideError if any row could not be written. */
  async close(): Promise<void> {
    this.#flush();
    this.#stream.end();
    if (!this.#failure && !this.#stream.closed) await once(this.#stream, 'close').catch(() => {});
    if (this.#failure) throw this.#failed(this.#failure);
  }

  #flush(): void {
    if (!this.#failure) this.#stream.write(this.#run);
    this.#run = '';
  }

  #failed(cause: Error): MemtideError {
    return new MemtideError({
      operation: 'write the recording',
      object: this.#path,
      actual: cause.message,
      remedy: 'name another file with --out, or make room',
      cause,
      exitCode: EXIT.unavailable,
    });
  }
}
