/**
 * How far the spool has been delivered: a small file beside the segments, replaced whole. Losing it costs duplicates,
 * never a record.
 */
import { crc32 } from 'node:zlib';
import type { SpoolDisk } from './disk.ts';
import type { Interval } from './number-set.ts';

export interface Cursor {
  readonly spoolId: string;
  /** The next number to give out, at the time of writing. */
  readonly next: number;
  /** All segments before this number have been removed: a power cut may bring the file of one back. */
  readonly floor: number;
  /** Written by a stop after which nothing was appended. */
  readonly clean: boolean;
  /** Up to here a sink has said that it holds everything; 0 before the first word of a sink. */
  readonly watermark: number;
  /** Whether a sink has ever spoken. */
  readonly hasSink: boolean;
  /** Numbers that a broker has acknowledged. */
  readonly delivered: readonly Interval[];
  /** Messages that gap records tell of, and how many gap records, up to the one numbered `countedTo`. */
  readonly droppedRecords: number;
  readonly gaps: number;
  readonly countedTo: number;
  readonly damagedBytes: number;
}

const FILE = 'cursor';

export interface ReadCursor {
  readonly cursor: Cursor | undefined;
  /** The file was there and no cursor: what was taken instead may be much older. */
  readonly damaged: boolean;
}

/** Takes the newest version that is whole. */
export async function readCursor(disk: SpoolDisk): Promise<ReadCursor> {
  const newest = await disk.read(FILE);
  const cursor = newest && parse(newest);
  if (cursor) return { cursor, damaged: false };
  const former = await disk.read(`${FILE}.bak`);
  return { cursor: former && parse(former), damaged: newest !== undefined };
}

export async function writeCursor(disk: SpoolDisk, cursor: Cursor): Promise<void> {
  const text = JSON.stringify(cursor);
  await disk.replace(FILE, `${checksum(text)} ${text}\n`);
}

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0');

function parse(bytes: Buffer): Cursor | undefined {
  const text = bytes.toString('utf8');
  const json = text.slice(9, -1);
  // Whole means: as this program wrote it. The checksum stands for the form.
  return text.endsWith('\n') && text.slice(0, 9) === `${checksum(json)} ` ? (JSON.parse(json) as Cursor) : undefined;
}
