/** A drive that is being written: lines wait, and reach the disk together. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../errors.ts';
import { DRIVE_ENDING } from './format.ts';

export class DriveFile {
  readonly #folder: string;
  readonly #name: string;
  /** Of a file: what says where the lines come from. Asked for at each new file. */
  readonly #preamble: () => string;
  #file: { readonly path: string; readonly handle: FileHandle } | undefined;
  #waiting: string[] = [];
  waitingBytes = 0;
  syncedBytes = 0;

  /** @param name without ending, and without the number that makes it unique. */
  constructor(folder: string, name: string, preamble: () => string) {
    this.#folder = folder;
    this.#name = name;
    this.#preamble = preamble;
  }

  get path(): string | undefined {
    return this.#file?.path;
  }

  append(line: string): void {
    this.#waiting.push(line);
    this.waitingBytes += Buffer.byteLength(line);
  }

  /**
   * Brings what waits to the disk. @throws what the disk throws: then it still waits, and goes to a new file, for after a
   * failed sync nobody knows what the old one has.
   */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting.length;
    try {
      this.#file ??= await this.#create();
      const content = (this.syncedBytes === 0 ? this.#preamble() : '') + this.#waiting.join('');
      await this.#file.handle.appendFile(content);
      await this.#file.handle.datasync();
      this.syncedBytes += Buffer.byteLength(content);
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    // What was appended meanwhile waits on.
    for (const line of this.#waiting.splice(0, lines)) this.waitingBytes -= Buffer.byteLength(line);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #create(): Promise<{ path: string; handle: FileHandle }> {
    for (let run = 1; ; run++) {
      const path = join(this.#folder, `${this.#name}${run === 1 ? '' : `-${run}`}${DRIVE_ENDING}`);
      try {
        return { path, handle: await open(path, 'ax', 0o640) };
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
    }
  }

  async #abandon(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    const kept = this.syncedBytes;
    this.syncedBytes = 0;
    // Where this fails too, a reader finds the same messages twice, and knows them by their ids.
    await file?.handle.truncate(kept).catch(() => {});
    await file?.handle.close().catch(() => {});
  }
}
