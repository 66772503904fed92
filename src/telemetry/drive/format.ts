/**
 * The format of a drive: what the agents of one vehicle reported, one JSON object a line, UTF-8. Pure; runs in a browser too.
 *
 *     {"drive":1,"vehicle":"car-7","recorder":"memtide 0.1.0","boot":"8d2d4f2e-…"}
 *     {"clock":{"mono_ms":81200.125,"ts":"2026-11-25T07:02:11.004Z","synced":true}}
 *     {"report":"tele/mem","domain":"cluster","rx_ms":81234.5,"v":1,"seq":12,"boot":"…","mono_ns":"…", …}
 *     {"report":"event/burst","domain":"cluster","rx_ms":81240.25, …}
 *
 * - A *header* begins a file, and again each start of a recorder that goes on with one. Version 1 is in `drive`.
 * - A *clock* says what the recorder's wall clock showed at an instant of its monotonic clock, and whether it was
 *   synchronised: at each start, every ten seconds, and when that changes.
 * - A *message* is as it was published (schema.ts), with the report that its topic named, the domain that sent it, and
 *   `rx_ms`, when the recorder got it by its own monotonic clock. Order is that of arrival: a backlog comes late, and says
 *   `historical`. The same message may come twice; spool, boot and spool_seq are its id.
 *
 * Readers pass over keys and kinds of lines that they do not know. A line that is no JSON was cut off by a power cut, and
 * is passed over too. The drive log that an agent writes by itself (burst-log.ts, `log_dir`) is a drive of one domain:
 * messages only, without headers, clocks and `rx_ms`.
 *
 * Wall times in here are as the agents believed them. What they come to is clocks.ts' to say.
 */
import { REPORTS, type Report } from '../topics.ts';

export const DRIVE_VERSION = 1;
/** Of what `memtide drive record` writes. An agent's drive log ends in .jsonl alone. */
export const DRIVE_ENDING = '.drive.jsonl';
/** Longer lines are no messages: MAX_CONTENT_BYTES, and what the recorder adds. */
export const MAX_LINE_BYTES = 64 * 1024;

export interface DriveHeader {
  readonly vehicle: string;
  /** Program and version. */
  readonly recorder: string;
  /** Boot id of the recorder's machine: its monotonic times compare with those of messages of the same boot. */
  readonly boot: string;
}

export interface DriveClock {
  /** The recorder's CLOCK_MONOTONIC. */
  readonly monoMillis: number;
  /** Its wall clock, Unix time. */
  readonly wallMillis: number;
  /** Absent: its kernel did not say. */
  readonly synced?: boolean;
}

/** A message that has yet to be checked against its schema. */
export interface DriveMessage {
  readonly report: Report;
  readonly domain: string;
  /** Absent in an agent's own log. */
  readonly rxMillis?: number;
  readonly payload: Readonly<Record<string, unknown>>;
}

export type DriveLine =
  | { readonly kind: 'header'; readonly header: DriveHeader }
  | { readonly kind: 'clock'; readonly clock: DriveClock }
  | { readonly kind: 'message'; readonly message: DriveMessage }
  /** Of a later version. */
  | { readonly kind: 'unknown' }
  /** `torn`: a power cut left it unfinished. */
  | { readonly kind: 'bad'; readonly torn: boolean; readonly reason: string };

const bad = (reason: string, torn = false): DriveLine => ({ kind: 'bad', torn, reason });

/** Reads a line without its newline. Whatever it is, it is a result. */
export function parseDriveLine(text: string): DriveLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('not a whole line', true);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('no JSON object');
  const fields = value as Readonly<Record<string, unknown>>;
  if ('report' in fields) return messageOf(fields);
  if ('drive' in fields) return headerOf(fields);
  if ('clock' in fields) return clockOf(fields.clock);
  return { kind: 'unknown' };
}

function messageOf({ report, domain, rx_ms, ...rest }: Readonly<Record<string, unknown>>): DriveLine {
  if (!(REPORTS as readonly unknown[]).includes(report)) return { kind: 'unknown' };
  if (typeof domain !== 'string' || domain === '' || domain.length > 64) return bad('names no domain');
  if (rx_ms !== undefined && !isMillis(rx_ms)) return bad('rx_ms: accepted: milliseconds');
  // The one report that has a field of this name.
  const payload = report === 'event/burst' ? { ...rest, domain } : rest;
  const message = { report: report as Report, domain, payload };
  return { kind: 'message', message: rx_ms === undefined ? message : { ...message, rxMillis: rx_ms } };
}

function headerOf({ drive, vehicle, recorder, boot }: Readonly<Record<string, unknown>>): DriveLine {
  if (drive !== DRIVE_VERSION)
    return bad(`version ${String(drive).slice(0, 20)}; this is a reader of ${DRIVE_VERSION}`);
  if (typeof vehicle !== 'string' || typeof recorder !== 'string' || typeof boot !== 'string') {
    return bad('a header without vehicle, recorder or boot');
  }
  return { kind: 'header', header: { vehicle, recorder, boot } };
}

function clockOf(value: unknown): DriveLine {
  const { mono_ms, ts, synced } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const wallMillis = typeof ts === 'string' ? Date.parse(ts) : Number.NaN;
  if (!isMillis(mono_ms) || Number.isNaN(wallMillis)) return bad('a clock without mono_ms or ts');
  const clock = { monoMillis: mono_ms, wallMillis };
  return { kind: 'clock', clock: typeof synced === 'boolean' ? { ...clock, synced } : clock };
}

const isMillis = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

export const headerLine = ({ vehicle, recorder, boot }: DriveHeader): string =>
  `${JSON.stringify({ drive: DRIVE_VERSION, vehicle, recorder, boot })}\n`;

export const clockLine = ({ monoMillis, wallMillis, synced }: DriveClock): string =>
  `${JSON.stringify({ clock: { mono_ms: monoMillis, ts: new Date(wallMillis).toISOString(), synced } })}\n`;

/** A key of the payload that is also one of the line's own does not count. */
export function messageLine({ report, domain, rxMillis, payload }: DriveMessage): string {
  const own = { report, domain, ...(rxMillis === undefined ? {} : { rx_ms: rxMillis }) };
  return `${JSON.stringify({ ...own, ...payload, ...own })}\n`;
}
