/** Reads what others wrote: each payload is checked against the schema before anybody believes it. */
import { REPORT_SCHEMAS, type ReportPayload } from './schema.ts';
import type { Report } from './topics.ts';

export type ReadResult<Kind extends Report> =
  | { readonly ok: true; readonly payload: ReportPayload<Kind> }
  | { readonly ok: false; readonly reason: string };

/** Reads one payload as it came from a broker or a log. What a peer sent wrong is a result, not an error. */
export function readReport<Kind extends Report>(kind: Kind, content: Buffer | string): ReadResult<Kind> {
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch {
    return { ok: false, reason: 'not JSON' };
  }
  return checkReport(kind, value);
}

/** As `readReport`, for a value that is parsed already. */
export function checkReport<Kind extends Report>(kind: Kind, value: unknown): ReadResult<Kind> {
  const result = REPORT_SCHEMAS[kind].safeParse(value);
  if (result.success) return { ok: true, payload: result.data as unknown as ReportPayload<Kind> };
  const first = result.error.issues[0];
  return { ok: false, reason: `${first?.path.join('.') || 'payload'}: ${first?.message ?? 'refused'}` };
}
