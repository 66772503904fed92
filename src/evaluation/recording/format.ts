import type { MemoryTrace } from '../../pressure/trace.ts';

/**
 * A recording: how the memory of a real program rose and fell. Text, so that it can be read, compared and plotted with
 * anything.
 *
 *     # memtide recording 1
 *     # command: ffmpeg -i in.mp4 out.mp4
 *     # measured: RssAnon + RssShmem of the process tree
 *     # board: Raspberry Pi 5 Model B Rev 1.0
 *     # cpu: 4 x Cortex-A76
 *     # kernel: Linux 6.12.20 arm64
 *     # page_size_bytes: 16384
 *     # interval_ms: 10
 *     # recorder: memtide 0.1.0
 *     # recorded_at: 2026-11-23T09:31:07Z
 *     # note: free text, may be absent
 *     time_s,bytes
 *     0.0000,1605632
 *     0.0101,1683456
 *
 * The first line names the format and its version. Unknown header keys are kept by readers and mean nothing. Time is in
 * seconds from the start of the program, strictly rising; bytes is a whole number, decimal. Every line ends in a newline:
 * a last line without one was cut off (a power cut), and is left out.
 *
 * Plain CSV, which other tools write, has no header lines: it begins with `time_s,bytes`, and its last line counts even
 * without a newline.
 */
export const FORMAT_VERSION = 1;
export const FIRST_LINE = '# memtide recording ';
export const COLUMNS = 'time_s,bytes';
export const FILE_ENDING = '.memtide.csv';

/** The header keys that every recording of version 1 has, in the order in which they are written. */
export const PROVENANCE_KEYS = [
  'command',
  'measured',
  'board',
  'cpu',
  'kernel',
  'page_size_bytes',
  'interval_ms',
  'recorder',
  'recorded_at',
] as const;
export type ProvenanceKey = (typeof PROVENANCE_KEYS)[number];

/** Where a recording comes from. `unknown` where the machine does not tell. */
export type Provenance = Readonly<Record<ProvenanceKey, string>> & { readonly note?: string };

export interface Recording {
  /** The file's name without its folder and ending. */
  readonly name: string;
  readonly trace: MemoryTrace;
  /** Absent for plain CSV. */
  readonly provenance?: Provenance;
  /** The last line was cut off and is left out. */
  readonly truncated: boolean;
}

/** Times are written with four decimals of a second. */
export const TIME_STEP_MICROS = 100;

/** One row, newline included. A tenth of a millisecond is finer than any sampling here. */
export const formatRow = (atMicros: number, usedBytes: number): string =>
  `${(atMicros / 1e6).toFixed(4)},${usedBytes}\n`;

/** The header and the line of columns. A newline within a value would break the format: it becomes a blank. */
export function formatHeader(provenance: Provenance): string {
  const lines = [`${FIRST_LINE}${FORMAT_VERSION}`];
  for (const key of PROVENANCE_KEYS) lines.push(`# ${key}: ${oneLine(provenance[key])}`);
  if (provenance.note !== undefined) lines.push(`# note: ${oneLine(provenance.note)}`);
  return `${lines.join('\n')}\n${COLUMNS}\n`;
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
