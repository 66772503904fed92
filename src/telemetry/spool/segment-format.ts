/**
 * The bytes of a segment. Pure. Integers are little-endian.
 *
 *   header, 128 bytes                       record, 18 bytes and its text
 *   0   "MTSPOOL1"                          0   u32  length of what follows at 18
 *   8   u32  CRC-32 of all else in here     4   u32  CRC-32 of all else in here
 *   12  u32  0                              8   u64  number
 *   16  u64  number of the first record     16  u8   kind: 0 a message, 1 a gap
 *   24  16 × ASCII  id of the spool         17  u8   length of the leaf
 *   40  64 × ASCII  boot id, NULs after it  18  leaf of the topic, then the content: UTF-8
 *   104 NULs
 *
 * The CRC of a record begins with the CRC of its segment's header, and its number is the one that must come next. So what a
 * disk gives back from an older file after a power cut is never taken for a record of this one.
 */
import { crc32 } from 'node:zlib';

export const HEADER_BYTES = 128;
export const FRAME_BYTES = 18;
/** Far above any message; a length that a damaged disk makes up is refused before anybody reads that far. */
export const MAX_TEXT_BYTES = 256 * 1024;

const MAGIC = Buffer.from('MTSPOOL1', 'latin1');
const SPOOL_ID = /^[0-9a-f]{16}$/;
const BOOT_ID = /^[\x21-\x7e]{1,64}$/;

export interface SegmentHeader {
  /** Number of the first record. */
  readonly first: number;
  /** 16 hexadecimal digits. */
  readonly spoolId: string;
  readonly bootId: string;
}

export type RecordKind = 'message' | 'gap';

export interface StoredRecord {
  /** From 1, without a hole within a segment. */
  readonly seq: number;
  readonly kind: RecordKind;
  /** End of the topic: `tele/mem`. */
  readonly leaf: string;
  /** JSON, as it is published. */
  readonly content: string;
}

export interface SealedHeader {
  readonly bytes: Buffer;
  /** What the CRC of each record begins with. */
  readonly seed: number;
}

/** @throws RangeError for an id that is not of its form. */
export function encodeHeader({ first, spoolId, bootId }: SegmentHeader): SealedHeader {
  if (!SPOOL_ID.test(spoolId) || !BOOT_ID.test(bootId)) throw new RangeError(`not an id: ${spoolId}, ${bootId}`);
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeBigUInt64LE(BigInt(first), 16);
  bytes.write(spoolId, 24, 'latin1');
  bytes.write(bootId, 40, 'latin1');
  const seed = headerCrc(bytes);
  bytes.writeUInt32LE(seed, 8);
  return { bytes, seed };
}

/** `undefined` for anything that `encodeHeader` did not write. */
export function decodeHeader(bytes: Buffer): (SegmentHeader & { readonly seed: number }) | undefined {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  const seed = headerCrc(bytes);
  if (bytes.readUInt32LE(8) !== seed) return undefined;
  const first = Number(bytes.readBigUInt64LE(16));
  const spoolId = bytes.toString('latin1', 24, 40);
  const bootId = bytes.toString('latin1', 40, 104).replace(/\0+$/, '');
  return Number.isSafeInteger(first) && first > 0 && SPOOL_ID.test(spoolId) && BOOT_ID.test(bootId)
    ? { first, spoolId, bootId, seed }
    : undefined;
}

const headerCrc = (bytes: Buffer): number => crc32(bytes.subarray(12, HEADER_BYTES), crc32(bytes.subarray(0, 8)));

/** Bytes that a record takes in a segment. */
export const recordBytes = ({ leaf, content }: Pick<StoredRecord, 'leaf' | 'content'>): number =>
  FRAME_BYTES + Buffer.byteLength(leaf) + Buffer.byteLength(content);

/** @param seed of the segment's header. @throws RangeError for a leaf or a text that is too long. */
export function encodeRecord(record: StoredRecord, seed: number): Buffer {
  const { seq, kind, leaf, content } = record;
  const bytes = Buffer.allocUnsafe(recordBytes(record));
  const leafBytes = Buffer.byteLength(leaf);
  if (leafBytes > 255 || bytes.length - FRAME_BYTES > MAX_TEXT_BYTES) throw new RangeError(`too long: ${leaf}`);
  bytes.writeUInt32LE(bytes.length - FRAME_BYTES, 0);
  bytes.writeBigUInt64LE(BigInt(seq), 8);
  bytes[16] = kind === 'gap' ? 1 : 0;
  bytes[17] = leafBytes;
  bytes.write(leaf, FRAME_BYTES);
  bytes.write(content, FRAME_BYTES + leafBytes);
  bytes.writeUInt32LE(recordCrc(bytes, seed), 4);
  return bytes;
}

function recordCrc(bytes: Buffer, seed: number): number {
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4), seed));
}

export type DecodedRecord =
  | { readonly kind: 'record'; readonly record: StoredRecord; readonly bytes: number }
  /** The bytes end before the record does: more may be to come, or a write was cut off. @property bytes that it needs. */
  | { readonly kind: 'incomplete'; readonly bytes: number }
  | { readonly kind: 'damaged' };

/** Reads the record at `offset`. @param seq the number it must have. */
export function decodeRecord(bytes: Buffer, offset: number, seq: number, seed: number): DecodedRecord {
  const available = bytes.length - offset;
  if (available < FRAME_BYTES) return { kind: 'incomplete', bytes: FRAME_BYTES };
  const textBytes = bytes.readUInt32LE(offset);
  const kind = bytes[offset + 16]!;
  const leafBytes = bytes[offset + 17]!;
  if (textBytes > MAX_TEXT_BYTES || leafBytes > textBytes || kind > 1) return { kind: 'damaged' };
  if (bytes.readBigUInt64LE(offset + 8) !== BigInt(seq)) return { kind: 'damaged' };
  const total = FRAME_BYTES + textBytes;
  if (available < total) return { kind: 'incomplete', bytes: total };
  const frame = bytes.subarray(offset, offset + total);
  if (frame.readUInt32LE(4) !== recordCrc(frame, seed)) return { kind: 'damaged' };
  const leaf = frame.toString('utf8', FRAME_BYTES, FRAME_BYTES + leafBytes);
  const content = frame.toString('utf8', FRAME_BYTES + leafBytes);
  return { kind: 'record', record: { seq, kind: kind === 1 ? 'gap' : 'message', leaf, content }, bytes: total };
}

/** How a segment ends. `torn`: a write was cut off, and nothing beyond it was ever whole. */
export type SegmentEnd = 'clean' | 'torn' | 'damaged';

export interface ScannedSegment {
  readonly header: SegmentHeader;
  readonly records: number;
  /** Up to the end of the last whole record. */
  readonly goodBytes: number;
  readonly end: SegmentEnd;
}

/**
 * Reads a segment from its start to the first byte that cannot be. @param onRecord hears each whole record, in order.
 * @returns `undefined` where not even the header is whole.
 */
export function scanSegment(bytes: Buffer, onRecord: (record: StoredRecord) => void): ScannedSegment | undefined {
  const header = decodeHeader(bytes);
  if (!header) return undefined;
  let offset = HEADER_BYTES;
  let records = 0;
  for (;;) {
    if (offset === bytes.length) return { header, records, goodBytes: offset, end: 'clean' };
    const next = decodeRecord(bytes, offset, header.first + records, header.seed);
    if (next.kind !== 'record') {
      // File systems fill what was allocated and never written with zeros.
      const torn = next.kind === 'incomplete' || bytes.subarray(offset).every((byte) => byte === 0);
      return { header, records, goodBytes: offset, end: torn ? 'torn' : 'damaged' };
    }
    onRecord(next.record);
    records++;
    offset += next.bytes;
  }
}

const SEGMENT_NAME = /^(\d{16})\.segment$/;

/** Sorted by name is sorted by number. */
export const segmentName = (first: number): string => `${String(first).padStart(16, '0')}.segment`;
/** The number of the first record, as the name says. */
export function firstOf(name: string): number | undefined {
  const digits = SEGMENT_NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
