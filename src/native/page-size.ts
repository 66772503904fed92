import fs from 'node:fs';
import path from 'node:path';

const AT_NULL = 0n;
const AT_PAGESZ = 6n;

/**
 * The page size in the auxiliary vector that the kernel gives every process (getauxval(3)): pairs of 64-bit words, type
 * and value. It is where sysconf(_SC_PAGESIZE) has it from. `undefined` where it is not in there.
 */
export function pageSizeIn(auxiliaryVector: Buffer | undefined): number | undefined {
  if (auxiliaryVector === undefined) return undefined;
  for (let at = 0; at + 16 <= auxiliaryVector.length; at += 16) {
    const type = auxiliaryVector.readBigUInt64LE(at);
    if (type === AT_PAGESZ) return Number(auxiliaryVector.readBigUInt64LE(at + 8));
    if (type === AT_NULL) return undefined;
  }
  return undefined;
}

/** Of this kernel. `undefined` where there is no /proc. */
export function pageSizeBytes(root = '/'): number | undefined {
  try {
    return pageSizeIn(fs.readFileSync(path.join(root, 'proc/self/auxv')));
  } catch {
    return undefined;
  }
}
