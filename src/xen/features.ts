/** What Xen says of a domain in its feature bits. */
// Xen, public/features.h. Since 4.16 one of the two is set.
const XENFEAT_NOT_DIRECT_MAPPED = 16;
const XENFEAT_DIRECT_MAPPED = 17;

/** @param features the first 32 feature bits as the kernel prints them, in hexadecimal. */
export function isDirectMapped(features: string | undefined): boolean | undefined {
  if (features === undefined || !/^[0-9a-f]+$/i.test(features)) return undefined;
  const bit = (index: number): boolean => ((BigInt(`0x${features}`) >> BigInt(index)) & 1n) === 1n;
  if (bit(XENFEAT_DIRECT_MAPPED)) return true;
  return bit(XENFEAT_NOT_DIRECT_MAPPED) ? false : undefined;
}
