/** The file system as seen from a root that is `/`, or a fixture. */
import fs from 'node:fs';
import path from 'node:path';
import { errorCode } from '../errors.ts';
import { readOnce } from '../pressure/pseudo-file.ts';
import type { Access, DeviceFacts } from './facts.ts';

export class FileTree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** @param file absolute, as a running system has it. */
  path(file: string): string {
    return path.join(this.root, file);
  }

  /** A small text, trimmed; `undefined` where it cannot be read or is empty. */
  text(file: string): string | undefined {
    return readOnce(this.path(file));
  }

  /** A whole number in a file; `undefined` where there is none. */
  number(file: string): number | undefined {
    const text = this.text(file);
    return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
  }

  bytes(file: string): Buffer | undefined {
    try {
      return fs.readFileSync(this.path(file));
    } catch {
      return undefined; // Absent on this machine: a fact, and its check says what follows.
    }
  }

  /** Names in a directory, in order; none where it cannot be read. */
  names(directory: string): string[] {
    try {
      return fs.readdirSync(this.path(directory)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    } catch {
      return []; // Likewise.
    }
  }

  /** Whether this process may open the file. @param mode of fs.access. */
  access(file: string, mode: number = fs.constants.R_OK | fs.constants.W_OK): Access {
    try {
      fs.accessSync(this.path(file), mode);
      return 'allowed';
    } catch (error) {
      return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' ? 'absent' : 'denied';
    }
  }

  /** The device files of `directory` whose names match. */
  devices(directory: string, name: RegExp): DeviceFacts[] {
    return this.names(directory)
      .filter((each) => name.test(each))
      .map((each) => ({ path: `${directory}/${each}`, access: this.access(`${directory}/${each}`) }));
  }
}
