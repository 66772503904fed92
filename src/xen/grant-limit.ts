/** gntalloc's limit of pages that this domain may have granted: a parameter of the module, which root may raise. */
import fs from 'node:fs';
import { errorCode, MemtideError } from '../errors.ts';

const LIMIT = '/sys/module/xen_gntalloc/parameters/limit';

/** @throws MemtideError where the module is not loaded. */
export function grantLimit(file = LIMIT): number {
  try {
    return Number(fs.readFileSync(file, 'latin1'));
  } catch (cause) {
    throw failed('read', file, cause);
  }
}

/** @param pages from here on. @throws MemtideError where it may not be set. */
export function setGrantLimit(pages: number, file = LIMIT): void {
  try {
    fs.writeFileSync(file, String(pages));
  } catch (cause) {
    throw failed('set', file, cause);
  }
}

const failed = (what: string, file: string, cause: unknown): MemtideError =>
  new MemtideError({
    operation: `${what} the limit of granted pages`,
    object: file,
    expected: 'a Xen domain with xen-gntalloc loaded, and root',
    actual: errorCode(cause) ?? String(cause),
    remedy: 'modprobe xen-gntalloc; memtide doctor tells what this domain has',
    cause,
  });
