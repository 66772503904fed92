/** Recorded drives of one folder, for the page to open. Their names come from a request and are looked up, never joined. */
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { packageRoot } from '../../package-root.ts';

export interface DriveFile {
  readonly name: string;
  readonly bytes: number;
  /** Unix time in milliseconds. */
  readonly modifiedMillis: number;
}

/** The folder of the drive that comes with memtide: half a minute of `npm start`. */
export const shippedDrives = (): string => path.join(packageRoot(), 'src', 'dashboard', 'drives');

const MOST_FILES = 1000;

export class DriveFiles {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** The latest first. A folder that cannot be read has none. */
  async list(): Promise<DriveFile[]> {
    const found = await Promise.all(this.#folders.map((folder) => listFolder(folder)));
    return found
      .flat()
      .sort((a, b) => b.modifiedMillis - a.modifiedMillis)
      .slice(0, MOST_FILES);
  }

  /** @returns undefined when no drive of this name is listed. */
  async open(name: string): Promise<Readable | undefined> {
    for (const folder of this.#folders) {
      const names = (await readdir(folder).catch(() => [])).filter(isDrive);
      if (!names.includes(name)) continue;
      const file = path.join(folder, name);
      const handle = await open(file).catch(() => undefined);
      if (handle) return createReadStream(file, { fd: handle });
    }
    return undefined;
  }
}

async function listFolder(folder: string): Promise<DriveFile[]> {
  const names = (await readdir(folder).catch(() => [])).filter(isDrive);
  const files = await Promise.all(
    names.map(async (name): Promise<DriveFile | undefined> => {
      const found = await stat(path.join(folder, name)).catch(() => undefined);
      return found?.isFile() ? { name, bytes: found.size, modifiedMillis: found.mtimeMs } : undefined;
    }),
  );
  return files.filter((file) => file !== undefined);
}

const isDrive = (name: string): boolean => name.endsWith('.jsonl');
