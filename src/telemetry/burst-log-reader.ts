/** Reads a drive log back (burst-log.ts writes it). */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { FlowReport } from './reporter.ts';
import type { ReportPayload } from './schema.ts';
import { checkReport } from './wire-read.ts';

/** A line as it was reported. */
type Entry<Kind extends FlowReport = FlowReport> = Kind extends FlowReport
  ? { readonly ok: true; readonly report: Kind; readonly domain: string; readonly payload: ReportPayload<Kind> }
  : never;
/** One line of a log: a message, or why it is none. `torn` is a line that a power cut left unfinished. */
export type LogLine =
  | Entry
  | { readonly ok: false; readonly line: number; readonly torn: boolean; readonly reason: string };

const FLOW_REPORTS: readonly FlowReport[] = ['tele/mem', 'tele/psi', 'tele/alloc', 'event/burst', 'event/mark'];

/** Reads a log line by line, damaged ones included. @throws what opening the file throws. */
export async function* readBurstLog(path: string): AsyncGenerator<LogLine> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++;
    if (text !== '') yield readLine(text, line);
  }
}

function readLine(text: string, line: number): LogLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, line, torn: true, reason: 'not a whole line' };
  }
  const { report, domain, ...payload } = (value ?? {}) as { report?: FlowReport; domain?: unknown };
  if (!FLOW_REPORTS.includes(report as FlowReport) || typeof domain !== 'string') {
    return { ok: false, line, torn: false, reason: 'names no report that is known, or no domain' };
  }
  const checked = checkReport(report as FlowReport, report === 'event/burst' ? { ...payload, domain } : payload);
  if (!checked.ok) return { ok: false, line, torn: false, reason: checked.reason };
  return { ok: true, report, domain, payload: checked.payload } as LogLine;
}
