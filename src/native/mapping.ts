import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import {
  errnoName,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_READ_WRITE,
  viewOf,
} from './libc.ts';

/**
 * Shared mappings. A mapping is made once and stays for the life of the process: touching it after an unmap is a
 * SIGSEGV, and no JavaScript view can be taken back from those who hold it (src/decisions/0003).
 */
export interface Mapping {
  readonly address: number;
  readonly byteLength: number;
}

/** V8 aborts the process on a view of 5 GiB and takes one of 3 GiB (measured, Node 20). */
export const MAX_VIEW_BYTES = 3 * 1024 ** 3;

export interface SharedOptions {
  readonly populate?: boolean;
  /** In bytes, from where; 0 when left out. */
  readonly offset?: number;
  /** Over these addresses, whatever is mapped there; anywhere when left out. */
  readonly at?: number;
  readonly what: string;
}

/** Maps `length` bytes of an open file or device, shared. */
export function mapShared(fd: number, length: number, options: SharedOptions): Mapping {
  const { populate = false, offset = 0, at = 0, what } = options;
  const flags = MAP_SHARED | (populate ? MAP_POPULATE : 0) | (at === 0 ? 0 : MAP_FIXED);
  return { address: checked(mmap(at, length, PROT_READ_WRITE, flags, fd, offset), what, length), byteLength: length };
}

/** Ends a mapping under views that live on: they see zeroes of this process's own from here on. */
export function replaceWithPrivate({ address, byteLength }: Mapping, what: string): void {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  checked(mmap(address, byteLength, PROT_READ_WRITE, flags, -1, 0), what, byteLength);
}

/** Private anonymous memory, zeroed by the kernel when first touched. */
export function mapPrivate(length: number, options: { populate?: boolean; what: string }): Mapping {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | (options.populate ? MAP_POPULATE : 0);
  return { address: checked(mmap(0, length, PROT_READ_WRITE, flags, -1, 0), options.what, length), byteLength: length };
}

/** Address space without memory, for mapping other things over it with MAP_FIXED. Costs no memory and no limit. */
export function reserveAddresses(length: number, what: string): Mapping {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  return { address: checked(mmap(0, length, PROT_NONE, flags, -1, 0), what, length), byteLength: length };
}

/** For measurements only: memory that nobody else can hold a view of. */
export function unmapPrivate(mapping: Mapping): void {
  munmap(mapping.address, mapping.byteLength);
}

/** Opens and maps an existing file whose size must be at least `length`, so that no touch can end in SIGBUS. */
export function mapFile(path: string, length: number, what: string): Mapping {
  return mapOpened(fs.openSync(path, 'r+'), path, length, what, PROT_READ_WRITE);
}

/** The same, for looking only: a store through this mapping is a SIGSEGV. */
export function mapFileReadOnly(path: string, length: number, what: string): Mapping {
  return mapOpened(fs.openSync(path, 'r'), path, length, what, PROT_READ);
}

function mapOpened(fd: number, path: string, length: number, what: string, protection: number): Mapping {
  try {
    const { size } = fs.fstatSync(fd);
    if (size < length) {
      throw new MemtideError({
        operation: `map the ${what}`,
        object: path,
        expected: `${length} bytes or more`,
        actual: `${size} bytes`,
        remedy: 'stop the agents, remove the file and start them again',
      });
    }
    return { address: checked(mmap(0, length, protection, MAP_SHARED, fd, 0), what, length), byteLength: length };
  } finally {
    fs.closeSync(fd);
  }
}

export function wordsOf({ address, byteLength }: Mapping): Int32Array {
  return new Int32Array(viewOf(address, byteLength));
}

function checked(address: number, what: string, length: number): number {
  if (address === -1) {
    throw new MemtideError({
      operation: `map the ${what}`,
      expected: `${length} bytes of address space`,
      actual: errnoName(),
      remedy: 'lower the sizes in the configuration, or raise RLIMIT_AS',
    });
  }
  return address;
}
