/** Reads an agent's drive log back (burst-log.ts writes it): a drive of one domain. */
import { driveLines } from './drive/read.ts';
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

const FLOW_REPORTS: readonly string[] = ['tele/mem', 'tele/psi', 'tele/alloc', 'event/burst', 'event/mark'];

/** Reads a log line by line, damaged ones included. @throws what opening the file throws. */
export async function* readBurstLog(path: string): AsyncGenerator<LogLine> {
  let line = 0;
  for await (const found of driveLines(path)) {
    line++;
    if (found.kind === 'bad') yield { ok: false, line, torn: found.torn, reason: found.reason };
    else if (found.kind !== 'message' || !FLOW_REPORTS.includes(found.message.report)) {
      yield { ok: false, line, torn: false, reason: 'no report that is known here' };
    } else {
      const { report, domain, payload } = found.message;
      const checked = checkReport(report, payload);
      if (!checked.ok) yield { ok: false, line, torn: false, reason: checked.reason };
      else yield { ok: true, report, domain, payload: checked.payload } as LogLine;
    }
  }
}
