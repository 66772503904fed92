/** What the disk still holds at an opening: every whole record before any damage, and nothing that was not written. */
import type { SpoolDisk } from './disk.ts';
import { gapOf, type StoredGap } from './gap.ts';
import { type Interval, NumberSet } from './number-set.ts';
import { FRAME_BYTES, firstOf, HEADER_BYTES, type ScannedSegment, scanSegment } from './segment-format.ts';

/** A segment as the spool knows it. */
export interface Segment {
  readonly name: string;
  readonly first: number;
  /** Number of its last record; `first - 1` while it has none. */
  last: number;
  bytes: number;
  /** How much of it is on disk. */
  syncedBytes: number;
  readonly gaps: StoredGap[];
}

export interface Recovered {
  readonly segments: Segment[];
  /** Of the newest segment. */
  readonly spoolId?: string;
  readonly bootId?: string;
  /** Numbers up to here may have been used by what is no longer readable. */
  readonly usedUpTo: number;
  /** Missing between segments, with no gap record that tells of them. */
  readonly holes: readonly Interval[];
  /** Cut off. A write that was cut short is no damage. */
  readonly damagedBytes: number;
  /** The newest segment was among what was damaged: how far it went, nobody knows. */
  readonly isEndDamaged: boolean;
}

/**
 * Reads all segments, cuts damaged ends off, and completes evictions that were begun.
 * @param floor what ends before this number has been removed. @throws what the disk throws.
 */
export async function recover(disk: SpoolDisk, floor: number): Promise<Recovered> {
  const names = (await disk.list()).filter((name) => firstOf(name) !== undefined).sort();
  const segments: Segment[] = [];
  let newest: ScannedSegment['header'] | undefined;
  let usedUpTo = 0;
  let damagedBytes = 0;
  let isEndDamaged = false;
  for (const name of names) {
    const first = firstOf(name)!;
    const content = (await disk.read(name)) ?? Buffer.alloc(0);
    const gaps: StoredGap[] = [];
    const found = scanSegment(content, ({ seq, kind, content: text }) => {
      if (kind === 'gap') gaps.push(gapOf(seq, text));
    });
    const whole = found?.header.first === first ? found : undefined;
    const good = whole?.goodBytes ?? 0;
    const records = whole?.records ?? 0;
    // A file that was made and not yet written, or the header of which was cut short, is a write cut short too.
    const torn = whole ? whole.end !== 'damaged' : content.length < HEADER_BYTES || content.every((byte) => byte === 0);
    isEndDamaged = !torn;
    if (!torn) {
      damagedBytes += content.length - good;
      usedUpTo = Math.max(usedUpTo, first - 1 + records + Math.ceil((content.length - good) / FRAME_BYTES));
    }
    if (!whole || records === 0 || first + records <= floor) {
      await disk.remove(name);
      continue;
    }
    // Also where nothing is cut: what a killed process had written may not be on disk yet, and is relied on from here on.
    if (good < content.length || names.indexOf(name) >= names.length - 2) await disk.truncate(name, good);
    newest = whole.header;
    segments.push({ name, first, last: first - 1 + records, bytes: good, syncedBytes: good, gaps });
  }
  trimOverlaps(segments);
  await completeEvictions(disk, segments);
  return {
    segments,
    ...(newest && { spoolId: newest.spoolId, bootId: newest.bootId }),
    usedUpTo: Math.max(usedUpTo, segments.at(-1)?.last ?? 0),
    holes: holesBetween(segments),
    damagedBytes,
    isEndDamaged,
  };
}

/** After a failed write the same records were written again, to a new segment: it has the last word. */
function trimOverlaps(segments: readonly Segment[]): void {
  for (const [i, segment] of segments.entries()) {
    const next = segments[i + 1];
    if (!next || segment.last < next.first) continue;
    segment.last = next.first - 1;
    segment.gaps.splice(0, segment.gaps.length, ...segment.gaps.filter(({ seq }) => seq <= segment.last));
  }
}

/** A gap record is on disk before what it tells of is removed. */
async function completeEvictions(disk: SpoolDisk, segments: Segment[]): Promise<void> {
  const evictedUpTo = Math.max(
    0,
    ...segments.flatMap(({ gaps }) => gaps.filter(({ cause }) => cause === 'cap').map(({ to }) => to)),
  );
  while (segments.length > 1 && segments[0]!.last <= evictedUpTo) await disk.remove(segments.shift()!.name);
}

function holesBetween(segments: readonly Segment[]): Interval[] {
  const told = new NumberSet(segments.flatMap(({ gaps }) => gaps.map(({ from, to }): Interval => [from, to])));
  const holes: Interval[] = [];
  for (const [i, { last }] of segments.entries()) {
    const next = segments[i + 1]?.first ?? last + 1;
    for (let from = told.firstMissing(last + 1); from < next; ) {
      const hole = told.intervals.find(([low]) => low > from)?.[0] ?? next;
      holes.push([from, Math.min(hole, next) - 1]);
      from = told.firstMissing(Math.min(hole, next));
    }
  }
  return holes;
}
