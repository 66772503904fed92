/** What the spool asks of a file system, and the real one. Tests put in one that fails, or loses power. */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../errors.ts';

export interface AppendFile {
  /** Appends all of `bytes`, or rejects and may have appended a part. Survives the process, not yet a power cut. */
  append(bytes: Buffer): Promise<void>;
  /** Brings everything that was appended to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface SpoolDisk {
  /** What errors name. */
  readonly name: string;
  list(): Promise<string[]>;
  /** `undefined` where there is no such file. */
  read(name: string): Promise<Buffer | undefined>;
  /** As many as there are from `offset` on, at most `length`; `undefined` where there is no such file. */
  readAt(name: string, offset: number, length: number): Promise<Buffer | undefined>;
  /** An empty file whose name is on disk; a former file of this name is emptied. */
  create(name: string): Promise<AppendFile>;
  /** Cuts a file, and brings what is left to the disk. */
  truncate(name: string, length: number): Promise<void>;
  /** Removes a file, if it is there. */
  remove(name: string): Promise<void>;
  /** Replaces a small file whole, on disk: a power cut leaves the old content or the new. The old stays as `<name>.bak`. */
  replace(name: string, content: string): Promise<void>;
}

/** A folder, made if missing. */
export class FolderDisk implements SpoolDisk {
  readonly name: string;

  constructor(folder: string) {
    this.name = folder;
  }

  /** @throws what mkdir throws. */
  async prepare(): Promise<void> {
    await mkdir(this.name, { recursive: true, mode: 0o750 });
  }

  list(): Promise<string[]> {
    return readdir(this.name);
  }

  read(name: string): Promise<Buffer | undefined> {
    return unlessMissing(readFile(this.#path(name)));
  }

  async readAt(name: string, offset: number, length: number): Promise<Buffer | undefined> {
    const handle = await unlessMissing(open(this.#path(name), 'r'));
    if (!handle) return undefined;
    try {
      const buffer = Buffer.allocUnsafe(length);
      let got = 0;
      while (got < length) {
        const { bytesRead } = await handle.read(buffer, got, length - got, offset + got);
        if (bytesRead === 0) break;
        got += bytesRead;
      }
      return buffer.subarray(0, got);
    } finally {
      await handle.close();
    }
  }

  async create(name: string): Promise<AppendFile> {
    const handle = await open(this.#path(name), 'w', 0o640);
    await this.#syncFolder();
    return new HandleFile(handle);
  }

  async truncate(name: string, length: number): Promise<void> {
    const handle = await open(this.#path(name), 'r+');
    try {
      await handle.truncate(length);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  async replace(name: string, content: string): Promise<void> {
    const path = this.#path(name);
    const handle = await open(`${path}.tmp`, 'w', 0o640);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await unlessMissing(rename(path, `${path}.bak`));
    await rename(`${path}.tmp`, path);
    await this.#syncFolder();
  }

  #path(name: string): string {
    return join(this.name, name);
  }

  async #syncFolder(): Promise<void> {
    const handle = await open(this.name, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

class HandleFile implements AppendFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async append(bytes: Buffer): Promise<void> {
    for (let written = 0; written < bytes.length; ) {
      written += (await this.#handle.write(bytes, written)).bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function unlessMissing<T>(step: Promise<T>): Promise<T | undefined> {
  try {
    return await step;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
