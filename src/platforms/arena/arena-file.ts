import fs from 'node:fs';
import path from 'node:path';
import { MemtideError } from '../../errors.ts';
import {
  ERRNO,
  errno,
  errnoName,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  fallocate,
  madvise,
  memset,
  mincore,
  mlock,
} from '../../native/libc.ts';
import { MAX_VIEW_BYTES, type Mapping, mapShared } from '../../native/mapping.ts';
import { formatBytes } from '../../units.ts';
import type { HugeMount } from './huge-mount.ts';

/**
 * The arena: one shared-memory file whose chunks move between domains. The back end makes it and takes its memory with
 * fallocate, chunk by chunk: a full tmpfs answers ENOSPC there, where a mere touch would end in SIGBUS.
 */
export type HugePages = 'auto' | 'always' | 'never';

export interface ArenaSource {
  /** Where other processes of the same user open it. */
  readonly path: string;
  readonly byteLength: number;
  /** Whether the file's pages are huge where they can be. */
  readonly huge: boolean;
  /** Why the pages are not huge although that was wanted. */
  readonly hugeReason?: string;
}

const MADV_POPULATE_WRITE = 23; // Linux 5.14

/** Makes the file, empty: no memory is taken yet. `directory` is on tmpfs and private to the user. */
export async function createArena(options: {
  readonly directory: string;
  readonly byteLength: number;
  readonly hugePages: HugePages;
  /** A named pipe that everybody who uses the arena holds open (huge-mount.ts). */
  readonly keep: string;
}): Promise<Arena> {
  const { directory, byteLength, hugePages, keep } = options;
  if (byteLength > MAX_VIEW_BYTES) {
    throw new MemtideError({
      operation: 'make the arena',
      expected: `at most ${formatBytes(MAX_VIEW_BYTES)}: one view shows the whole of it`,
      actual: formatBytes(byteLength),
      remedy: 'lower total_mib',
    });
  }
  let mount: HugeMount | undefined;
  let hugeReason: string | undefined;
  if (hugePages !== 'never') {
    // Only the maker starts a program; those who open the arena need not load what that takes.
    const { mountHugeTmpfs } = await import('./huge-mount.ts');
    const result = await mountHugeTmpfs(byteLength, keep);
    if (result.ok) mount = result.mount;
    else hugeReason = result.reason;
    if (!result.ok && hugePages === 'always') {
      throw new MemtideError({
        operation: 'make the arena of huge pages',
        expected: 'a tmpfs mounted with huge=always',
        actual: result.reason,
        remedy: 'run as root, allow user namespaces, or set arena.huge_pages to "auto"',
      });
    }
  }
  const file = path.join(mount?.directory ?? directory, 'arena');
  const fd = fs.openSync(file, 'w+', 0o600);
  fs.ftruncateSync(fd, byteLength);
  const source: ArenaSource = {
    path: file,
    byteLength,
    huge: mount !== undefined,
    ...(hugeReason === undefined ? {} : { hugeReason }),
  };
  return new Arena(source, fd, mapShared(fd, byteLength, { what: 'arena' }), mount);
}

/** Opens an arena that somebody else made. */
export function openArena(source: ArenaSource): Arena {
  let fd: number;
  try {
    fd = fs.openSync(source.path, 'r+');
  } catch (cause) {
    throw new MemtideError({
      operation: 'open the arena',
      object: source.path,
      expected: 'the file that the back end made, readable by this user',
      remedy: 'run as the user who runs the back end, and check that it still runs: memtide status',
      cause,
    });
  }
  const { size } = fs.fstatSync(fd);
  if (size < source.byteLength) {
    fs.closeSync(fd);
    throw new MemtideError({
      operation: 'open the arena',
      object: source.path,
      expected: `${source.byteLength} bytes`,
      actual: `${size} bytes`,
    });
  }
  return new Arena(source, fd, mapShared(fd, source.byteLength, { what: 'arena' }), undefined);
}

export class Arena {
  readonly source: ArenaSource;
  readonly fd: number;
  readonly mapping: Mapping;
  readonly #mount: HugeMount | undefined;

  constructor(source: ArenaSource, fd: number, mapping: Mapping, mount: HugeMount | undefined) {
    this.source = source;
    this.fd = fd;
    this.mapping = mapping;
    this.#mount = mount;
  }

  /**
   * Takes memory for a range. The kernel hands it out zeroed.
   * @returns false when the tmpfs or the machine is out of memory; nothing is taken then.
   */
  populate(offset: number, length: number): boolean {
    if (fallocate(this.fd, 0, offset, length) === 0) {
      this.premap(offset, length);
      return true;
    }
    const code = errno();
    if (code === ERRNO.ENOSPC || code === ERRNO.ENOMEM) {
      // fallocate may have got part of the way; what it took goes back.
      this.punch(offset, length);
      return false;
    }
    throw new MemtideError({
      operation: 'take memory for the arena',
      object: this.source.path,
      actual: errnoName(code),
    });
  }

  /**
   * Puts the pages of a range that has memory into this process's page tables, so that a touch takes no fault.
   * On kernels before 5.14 the pages come in at the first touch instead.
   */
  premap(offset: number, length: number): void {
    madvise(this.mapping.address + offset, length, MADV_POPULATE_WRITE);
  }

  /** Gives a range back to the system. Only for memory that leaves the arena: hand-over is by offset. */
  punch(offset: number, length: number): void {
    if (fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) !== 0) {
      throw new MemtideError({ operation: 'give arena memory back', object: this.source.path, actual: errnoName() });
    }
  }

  /** Zeroes a range in place. */
  scrub(offset: number, length: number): void {
    memset(this.mapping.address + offset, 0, length);
  }

  /** Keeps a range from being swapped out. @returns undefined, or why it is not permitted. */
  lock(offset: number, length: number): string | undefined {
    return mlock(this.mapping.address + offset, length) === 0 ? undefined : errnoName();
  }

  /** How many bytes of a range are in memory, in pages of `pageBytes`. */
  residentBytes(offset: number, length: number, pageBytes: number): number {
    const residency = new Uint8Array(Math.ceil(length / pageBytes));
    if (mincore(this.mapping.address + offset, length, residency) !== 0) {
      throw new MemtideError({ operation: 'ask which arena pages are in memory', actual: errnoName() });
    }
    return residency.reduce((sum, page) => sum + (page & 1), 0) * pageBytes;
  }

  /** Closes the file. The mapping stays, as every mapping does; the maker also removes the file. */
  close(): void {
    fs.closeSync(this.fd);
    if (this.#mount) this.#mount.close();
  }

  remove(): void {
    fs.rmSync(this.source.path, { force: true });
    this.close();
  }
}
