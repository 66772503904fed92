/**
 * Hypercalls from a program, through /dev/xen/privcmd: dom0 only, as root. Source: Linux, include/uapi/xen/privcmd.h; Xen,
 * tools/libs/call/linux.c.
 *
 * An object belongs to the thread that made it.
 */
import fs from 'node:fs';
import { errorCode, MemtideError } from '../errors.ts';
import { errno, errnoName, ioctl, viewOf } from '../native/libc.ts';
import { mapPrivate, mapShared } from '../native/mapping.ts';
import { scratchAddress, scratchWords } from '../native/scratch.ts';
import { ioc } from './device.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

/** Numbers of hypercalls. Source: Xen, public/xen.h. */
export const HYPERCALL = { memory: 12, grantTable: 20, sysctl: 35, domctl: 36 } as const;

const PRIVCMD_HYPERCALL = ioc('P', 0, 48);
/** Longs of struct privcmd_hypercall: the number, then five arguments. */
const CALL_LONGS = 6;
/** Bytes of the longest argument that is used here: struct xen_domctl and xen_sysctl are 16 and 8 bytes, and a union of 128. */
const LONGEST_ARGUMENT = 144;

export type HypercallResult =
  | { readonly ok: true; readonly value: number }
  /** `errno` by its name. */
  | { readonly ok: false; readonly errno: string };

export class Hypercalls {
  readonly #fd: number;
  readonly #address: number;
  /** One page that a call's argument is laid out in, and that Xen writes its answer to. Little-endian. */
  readonly argument: DataView;
  readonly #longest: Uint8Array;

  /** @throws MemtideError in a domain that may not. */
  constructor(folder = '/dev/xen') {
    this.#fd = open(`${folder}/privcmd`);
    this.#address = bufferPage(`${folder}/hypercall`);
    this.argument = new DataView(viewOf(this.#address, XEN_PAGE_BYTES));
    this.#longest = new Uint8Array(this.argument.buffer, 0, LONGEST_ARGUMENT);
  }

  /**
   * @param command of the hypercall, its first argument; left out where it has none. The second is the page.
   * @param count its third argument: of the structures in the page, where there may be several.
   */
  call(number: number, command?: number, count = 0): HypercallResult {
    const longs = command === undefined ? [number, this.#address] : [number, command, this.#address, count];
    for (let at = 0; at < CALL_LONGS; at++) writeLong(at, longs[at] ?? 0);
    const value = ioctl(this.#fd, PRIVCMD_HYPERCALL, scratchAddress);
    return value >= 0 ? { ok: true, value } : { ok: false, errno: errnoName(errno()) };
  }

  clear(): void {
    this.#longest.fill(0);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** Addresses have up to 48 bits. */
function writeLong(at: number, value: number): void {
  scratchWords[at * 2] = (value % 2 ** 32) | 0;
  scratchWords[at * 2 + 1] = Math.floor(value / 2 ** 32);
}

function open(path: string): number {
  try {
    return fs.openSync(path, fs.constants.O_RDWR);
  } catch (cause) {
    throw new MemtideError({
      operation: 'make hypercalls',
      object: path,
      expected: 'dom0, with xen-privcmd loaded, and root',
      actual: errorCode(cause) ?? String(cause),
      remedy: errorCode(cause) === 'ENOENT' ? 'modprobe xen-privcmd (dom0 only)' : 'run as root',
      cause,
    });
  }
}

/** Xen reads and writes the page where it lies: the kernel must not move it meanwhile, which this device promises. */
function bufferPage(path: string): number {
  try {
    const fd = fs.openSync(path, fs.constants.O_RDWR);
    try {
      return mapShared(fd, XEN_PAGE_BYTES, { what: 'hypercall buffer' }).address;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // Kernels before 4.18 have no such device. A touched page moves seldom; a call that finds it gone fails with EFAULT.
    return mapPrivate(XEN_PAGE_BYTES, { populate: true, what: 'hypercall buffer' }).address;
  }
}
