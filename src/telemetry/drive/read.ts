/** Reads drives: line by line, each message checked, each once, with the time that it was. */
import { createReadStream } from 'node:fs';
import { checkReport } from '../wire-read.ts';
import { DriveClocks, type DriveTime } from './clocks.ts';
import { type DriveLine, type DriveMessage, MAX_LINE_BYTES, parseDriveLine } from './format.ts';
import { KnownMessages } from './known-messages.ts';

/** A message of a drive, as often as it came: once. */
export interface DriveEntry extends DriveMessage {
  /** Absent for a last will. */
  readonly time?: DriveTime;
}

export interface DriveContent {
  readonly clocks: DriveClocks;
  readonly vehicle?: string;
  /** Came again, by their ids. */
  readonly duplicates: number;
  /** Lines that are no messages, and should be; the first of them, in words. */
  readonly badLines: number;
  readonly firstBad?: string;
}

/** Every line of a file, an empty one left out. @throws what reading the file throws. */
export async function* driveLines(path: string): AsyncGenerator<DriveLine> {
  let rest = '';
  let tooLong = false;
  for await (const chunk of createReadStream(path, { encoding: 'utf8' }) as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (tooLong || line.length > MAX_LINE_BYTES) yield TOO_LONG;
      else if (line !== '') yield parseDriveLine(line);
      tooLong = false;
    }
    if (rest.length > MAX_LINE_BYTES) {
      rest = '';
      tooLong = true;
    }
  }
  if (tooLong) yield TOO_LONG;
  else if (rest !== '') yield parseDriveLine(rest);
}

const TOO_LONG: DriveLine = { kind: 'bad', torn: false, reason: `more than ${MAX_LINE_BYTES} bytes` };

/**
 * Reads a drive twice: what the clocks come to is known at its end only.
 * @param onEntry hears each message once, in the order of arrival. What it returns is waited for.
 * @throws what reading the file throws.
 */
export async function readDrive(
  path: string,
  onEntry: (entry: DriveEntry) => void | Promise<void>,
): Promise<DriveContent> {
  const clocks = await readClocks(path);
  const known = new KnownMessages();
  let vehicle: string | undefined;
  let duplicates = 0;
  let badLines = 0;
  let firstBad: string | undefined;
  const refuse = (reason: string): void => {
    badLines++;
    firstBad ??= reason;
  };
  for await (const line of driveLines(path)) {
    if (line.kind === 'header') vehicle = line.header.vehicle;
    if (line.kind === 'bad') refuse(line.reason);
    if (line.kind !== 'message') continue;
    const { message } = line;
    const checked = checkReport(message.report, message.payload);
    if (!checked.ok) refuse(checked.reason);
    else if (known.isAgain(message)) duplicates++;
    else {
      const time = clocks.timeOf(message.payload);
      const taken = onEntry(time ? { ...message, time } : message);
      if (taken) await taken;
    }
  }
  return { clocks, ...(vehicle && { vehicle }), duplicates, badLines, ...(firstBad && { firstBad }) };
}

async function readClocks(path: string): Promise<DriveClocks> {
  const clocks = new DriveClocks();
  for await (const line of driveLines(path)) {
    if (line.kind === 'header') clocks.noteHeader(line.header.boot);
    if (line.kind === 'clock') clocks.noteClock(line.clock);
    if (line.kind === 'message' && checkReport(line.message.report, line.message.payload).ok) {
      clocks.noteMessage(line.message);
    }
  }
  return clocks;
}
