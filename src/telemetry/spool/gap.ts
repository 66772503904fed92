/** A gap record: which numbers will not come, or not again, and what was lost with them. It is stored and sent like a message. */
import type { ReportPayload, Stamp } from '../schema.ts';

/**
 * - `cap`: evicted for room before anybody had confirmed them.
 * - `damage`: unreadable on disk.
 * - `restart`: never used, or of messages that were never acknowledged to their producer. Nothing promised is missing.
 * - `expired`: a broker had acknowledged them, and they were evicted before a sink came that asks for them.
 */
export type GapCause = ReportPayload<'event/gap'>['cause'];

export interface Gap {
  readonly cause: GapCause;
  readonly from: number;
  readonly to: number;
  /** Messages among these numbers; `undefined` where nobody can know. */
  readonly records?: number;
  /** Of these, how many no broker has acknowledged. */
  readonly unsent?: number;
  /** Of `records`, how many an earlier gap record had told, which was evicted in its turn before a sink confirmed it. */
  readonly retold?: number;
  /** It includes a gap whose messages nobody could count. */
  readonly atLeast?: boolean;
}

export interface StoredGap extends Gap {
  /** Number of the gap record itself. */
  readonly seq: number;
}

export const gapPayload = (
  stamp: Stamp,
  { cause, from, to, records, unsent, retold, atLeast }: Gap,
): ReportPayload<'event/gap'> => ({
  ...stamp,
  cause,
  from_seq: from,
  to_seq: to,
  ...(records === undefined ? {} : { records }),
  ...(unsent === undefined ? {} : { unsent }),
  ...(retold === undefined ? {} : { retold }),
  ...(atLeast === undefined ? {} : { at_least: atLeast }),
});

/** @param content of a record whose checksum holds: as `gapPayload` made it. */
export function gapOf(seq: number, content: string): StoredGap {
  const { cause, from_seq, to_seq, records, unsent, retold, at_least } = JSON.parse(
    content,
  ) as ReportPayload<'event/gap'>;
  return {
    seq,
    cause,
    from: from_seq,
    to: to_seq,
    ...(records === undefined ? {} : { records }),
    ...(unsent === undefined ? {} : { unsent }),
    ...(retold === undefined ? {} : { retold }),
    ...(at_least === undefined ? {} : { atLeast: at_least }),
  };
}

/** Causes by which nothing is lost that was promised. */
const HARMLESS: readonly GapCause[] = ['restart', 'expired'];

/** What a gap record adds to the count of lost messages. */
export const newlyLost = ({ records = 0, retold = 0 }: Gap): number => records - retold;
/** Whether a gap record counts as a gap: something is lost, and it was not told before. */
export const isNewLoss = (gap: Gap): boolean =>
  !HARMLESS.includes(gap.cause) && (gap.records === undefined || newlyLost(gap) > 0);

/** One gap for what is lost, and for what lost gap records had told that nobody has confirmed. */
export function joinGaps(cause: GapCause, lost: Gap | undefined, untold: readonly StoredGap[]): Gap | undefined {
  const all: readonly Gap[] = lost ? [lost, ...untold] : untold;
  if (all.length === 0) return undefined;
  const sum = (gaps: readonly Gap[], of: (gap: Gap) => number | undefined): number =>
    gaps.reduce((total, gap) => total + (of(gap) ?? 0), 0);
  const retold = sum(untold, ({ records }) => records);
  const uncounted = (gap: Gap): boolean =>
    gap.atLeast === true || (gap.records === undefined && !HARMLESS.includes(gap.cause));
  return {
    cause,
    from: Math.min(...all.map(({ from }) => from)),
    to: Math.max(...all.map(({ to }) => to), ...untold.map(({ seq }) => seq)),
    records: sum(all, ({ records }) => records),
    unsent: sum(all, ({ unsent }) => unsent),
    ...(retold > 0 ? { retold } : {}),
    ...(untold.some(uncounted) ? { atLeast: true } : {}),
  };
}
