/** Xen's character devices: opened and called through ioctl, with what it takes to have each written in its errors. */
import fs from 'node:fs';
import { errorCode, MemtideError } from '../errors.ts';
import { errno, errnoName, ioctl } from '../native/libc.ts';
import { scratchAddress } from '../native/scratch.ts';

/** "This domain", in place of its id. */
export const DOMID_SELF = 0x7ff0;
export const DOM0 = 0;

/** Request code of an ioctl without direction, as Xen's devices have them: `_IOC(_IOC_NONE, type, nr, size)`. */
export const ioc = (type: string, number: number, bytes: number): number =>
  (bytes << 16) | (type.charCodeAt(0) << 8) | number;

const MODULE_OF = { evtchn: 'xen-evtchn', gntalloc: 'xen-gntalloc', gntdev: 'xen-gntdev' } as const;
export type DeviceName = keyof typeof MODULE_OF;

/** @throws MemtideError that says how to get the device. */
export function openDevice(name: DeviceName): number {
  const path = `/dev/xen/${name}`;
  try {
    // Never blocking: who waits does it by poll, with an end.
    return fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  } catch (cause) {
    const code = errorCode(cause) ?? String(cause);
    throw new MemtideError({
      operation: 'open a device of Xen',
      object: path,
      expected: 'a Xen domain with its drivers loaded',
      actual: code,
      remedy:
        {
          ENOENT: `modprobe ${MODULE_OF[name]} (only in a Xen domain; memtide doctor tells)`,
          EMFILE: 'raise the limit of open files: ulimit -n',
        }[code] ?? 'run as root',
      cause,
    });
  }
}

export interface Call {
  readonly fd: number;
  readonly request: number;
  /** What it is to do, as errors tell it. */
  readonly operation: string;
  readonly object: string;
  /** Of the argument; the scratch page when left out. */
  readonly address?: number;
  /** What to do when it fails, by the name of the error. */
  readonly remedies?: Readonly<Record<string, string>>;
}

/** @returns the call's own result, 0 or more. @throws MemtideError with the kernel's reason. */
export function call({ fd, request, operation, object, address = scratchAddress, remedies = {} }: Call): number {
  const result = ioctl(fd, request, address);
  if (result >= 0) return result;
  const reason = errnoName(errno());
  const remedy = remedies[reason];
  throw new MemtideError({
    operation,
    object,
    expected: 'the kernel and Xen to allow it',
    actual: reason,
    ...(remedy === undefined ? {} : { remedy }),
  });
}
