/**
 * A drive as CSV: what `memtide drive export` writes, by the same code. Loaded when it is wanted, for it brings the schema
 * along that every message is checked against.
 */
import './zod-without-eval.ts';

import { DriveClocks } from '../../telemetry/drive/clocks.ts';
import { csvFormat } from '../../telemetry/drive/csv.ts';
import type { DriveLine } from '../../telemetry/drive/format.ts';
import { KnownMessages } from '../../telemetry/drive/known-messages.ts';
import { checkReport } from '../../telemetry/wire-read.ts';
import { type OpenStreams, readLines } from './read-lines.ts';

/** Rows that are joined before they become a part of the file. */
const ROWS_A_PART = 4096;

/** Reads the drive twice: what its clocks come to is known at its end only. @throws what reading throws. */
export async function driveAsCsv(open: OpenStreams, signal: AbortSignal): Promise<Blob> {
  const clocks = new DriveClocks();
  await readLines(await open(), signal, (line) => noteClock(line, clocks));
  const { header, row } = csvFormat();
  const known = new KnownMessages();
  const parts: BlobPart[] = [header];
  let rows: string[] = [];
  await readLines(await open(), signal, (line) => {
    if (line.kind !== 'message') return;
    const { message } = line;
    if (!checkReport(message.report, message.payload).ok || known.isAgain(message)) return;
    const time = clocks.timeOf(message.payload);
    rows.push(row(time ? { ...message, time } : message));
    if (rows.length < ROWS_A_PART) return;
    parts.push(rows.join(''));
    rows = [];
  });
  return new Blob([...parts, rows.join('')], { type: 'text/csv' });
}

function noteClock(line: DriveLine, clocks: DriveClocks): void {
  if (line.kind === 'header') clocks.noteHeader(line.header.boot);
  if (line.kind === 'clock') clocks.noteClock(line.clock);
  if (line.kind === 'message' && checkReport(line.message.report, line.message.payload).ok) {
    clocks.noteMessage(line.message);
  }
}
