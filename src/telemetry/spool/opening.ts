/** What a spool begins with, from what the disk holds and the cursor says. Pure. */
import type { Cursor } from './cursor.ts';
import { type Gap, isNewLoss, newlyLost } from './gap.ts';
import { type Interval, NumberSet } from './number-set.ts';
import type { Recovered } from './recovery.ts';
import { MAX_UNSYNCED_RECORDS } from './segment-writer.ts';

export interface Opening {
  /** Absent: the spool is new. */
  readonly spoolId?: string;
  readonly next: number;
  readonly watermark: number;
  readonly hasSink: boolean;
  readonly delivered: readonly Interval[];
  readonly droppedRecords: number;
  readonly gaps: number;
  readonly countedTo: number;
  readonly damagedBytes: number;
  /** To be told in gap records. */
  readonly untold: readonly Gap[];
}

export function openingOf(
  found: Recovered,
  read: Cursor | undefined,
  { bootId, cursorDamaged }: { readonly bootId: string; readonly cursorDamaged: boolean },
): Opening {
  const spoolId = found.spoolId ?? read?.spoolId;
  const cursor = read && read.spoolId === spoolId ? read : undefined;
  const last = found.segments.at(-1)?.last ?? 0;
  const used = Math.max(found.usedUpTo, (cursor?.next ?? 1) - 1, cursor?.watermark ?? 0);
  const next = used + 1 + (mayHaveLostNumbers() ? MAX_UNSYNCED_RECORDS : 0);

  /** Whether numbers may have been published of which nothing here knows any more. */
  function mayHaveLostNumbers(): boolean {
    if (spoolId === undefined) return false;
    if (found.isEndDamaged || cursorDamaged || !cursor) return true;
    return !cursor.clean && found.bootId !== bootId;
  }

  const lost = next - 1 - Math.max(last, cursor?.watermark ?? 0);
  const from = next - lost;
  const untold: Gap[] = found.holes.map(([low, high]) => ({
    cause: 'damage',
    from: low,
    to: high,
    records: high - low + 1,
  }));
  if (lost > 0 && found.isEndDamaged) untold.push({ cause: 'damage', from, to: next - 1 });
  else if (lost > 0) untold.push({ cause: 'restart', from, to: next - 1, records: 0 });

  const delivered = new NumberSet(cursor?.delivered);
  let free = 1;
  for (const { first, last: end } of found.segments) {
    delivered.add(free, first - 1);
    free = end + 1;
  }
  delivered.add(free, next - 1);

  const uncounted = found.segments.flatMap(({ gaps }) => gaps).filter(({ seq }) => seq > (cursor?.countedTo ?? 0));
  return {
    ...(spoolId === undefined ? {} : { spoolId }),
    next,
    watermark: cursor?.watermark ?? 0,
    hasSink: cursor?.hasSink ?? false,
    delivered: delivered.intervals,
    droppedRecords: uncounted.reduce((sum, gap) => sum + newlyLost(gap), cursor?.droppedRecords ?? 0),
    gaps: uncounted.filter(isNewLoss).length + (cursor?.gaps ?? 0),
    countedTo: Math.max(cursor?.countedTo ?? 0, ...uncounted.map(({ seq }) => seq)),
    damagedBytes: (cursor?.damagedBytes ?? 0) + found.damagedBytes,
    untold,
  };
}
