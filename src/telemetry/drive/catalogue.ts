/** The drives of a folder: what is in each, and which have to go for room. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readDrive } from './read.ts';

export interface DriveFileInfo {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMillis: number;
}

/** What a drive holds. Times are as corrected; absent where no message bears one. */
export interface DriveSummary extends DriveFileInfo {
  readonly name: string;
  /** Absent in an agent's own log. */
  readonly vehicle?: string;
  readonly domains: readonly string[];
  readonly fromMillis?: number;
  readonly toMillis?: number;
  readonly messages: number;
  readonly bursts: number;
  readonly marks: number;
  /** Messages that gap records tell of as lost. */
  readonly lost: number;
  /** Messages whose time nobody could put right. */
  readonly untimed: number;
  readonly duplicates: number;
  readonly badLines: number;
}

/** All drives of a folder, oldest first: recorded ones, and the logs of agents. @throws what reading the folder throws. */
export async function driveFiles(folder: string): Promise<DriveFileInfo[]> {
  const files: DriveFileInfo[] = [];
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.jsonl')) continue;
    const path = join(folder, name);
    const { size, mtimeMs } = await stat(path);
    files.push({ path, bytes: size, modifiedMillis: mtimeMs });
  }
  return files.sort((a, b) => a.modifiedMillis - b.modifiedMillis || (a.path < b.path ? -1 : 1));
}

/** Reads all of a drive. @throws what reading the file throws. */
export async function summarizeDrive(file: DriveFileInfo): Promise<DriveSummary> {
  const domains = new Set<string>();
  const counts = { messages: 0, bursts: 0, marks: 0, lost: 0, untimed: 0 };
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const { vehicle, duplicates, badLines } = await readDrive(file.path, ({ report, domain, payload, time }) => {
    domains.add(domain);
    counts.messages++;
    if (report === 'event/burst') counts.bursts++;
    if (report === 'event/mark') counts.marks++;
    if (report === 'event/gap' && (payload.cause === 'cap' || payload.cause === 'damage')) {
      counts.lost += Number(payload.records ?? 0) - Number(payload.retold ?? 0);
    }
    if (time?.by === 'none') counts.untimed++;
    // Retained ones are of before the drive.
    if (!time || report === 'info' || report === 'state') return;
    from = Math.min(from, time.wallMillis);
    to = Math.max(to, time.wallMillis);
  });
  return {
    ...file,
    name: basename(file.path).replace(/(\.drive)?\.jsonl$/, ''),
    ...(vehicle === undefined ? {} : { vehicle }),
    domains: [...domains].sort(),
    ...(from <= to ? { fromMillis: from, toMillis: to } : {}),
    ...counts,
    duplicates,
    badLines,
  };
}

export interface PruneLimits {
  /** Drives that were written to before this long ago go. */
  readonly keepMillis?: number;
  /** The oldest go until all together are within it. */
  readonly keepBytes?: number;
}

/** What was written to of late may be being written: a file that is removed then takes what follows with it. */
const IN_USE_MILLIS = 15 * 60_000;

/** Which drives have to go, oldest first. Pure. */
export function drivesToPrune(
  files: readonly DriveFileInfo[],
  { keepMillis = Number.POSITIVE_INFINITY, keepBytes = Number.POSITIVE_INFINITY }: PruneLimits,
  nowMillis: number,
): DriveFileInfo[] {
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...files]
    .sort((a, b) => a.modifiedMillis - b.modifiedMillis)
    .filter(({ bytes, modifiedMillis }) => {
      const age = nowMillis - modifiedMillis;
      if (age < IN_USE_MILLIS || (age <= keepMillis && total <= keepBytes)) return false;
      total -= bytes;
      return true;
    });
}
