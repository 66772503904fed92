/**
 * A drive as CSV (RFC 4180, `\n`): a row for each message, a column for each field that the wire schema knows, always the same.
 * What it does not know is JSON in the last column. An empty cell is a field that is absent; an empty text is `""`.
 *
 * Text that a spreadsheet would take for a formula begins with an apostrophe, as does text that began with apostrophes before
 * such a character: one is to be taken away again.
 */
import { REPORT_SCHEMAS } from '../schema.ts';
import { REPORTS, type Report } from '../topics.ts';
import type { DriveEntry } from './read.ts';

/** The time that it was, as far as anybody came to know, and how that was found (clocks.ts). */
const OWN_COLUMNS = ['time', 'time_by', 'report', 'domain'] as const;

export interface CsvFormat {
  readonly header: string;
  readonly row: (entry: DriveEntry) => string;
}

/** @param only the columns of these reports; all of them by default. */
export function csvFormat(only: readonly Report[] = REPORTS): CsvFormat {
  const fields = [...new Set(only.flatMap((report) => Object.keys(REPORT_SCHEMAS[report].shape)))].filter(
    (field) => field !== 'domain',
  );
  const known = new Set(fields);
  return {
    header: `${[...OWN_COLUMNS, ...fields, 'other'].join(',')}\n`,
    row: ({ report, domain, payload, time }) => {
      const { domain: _, ...rest } = payload;
      const others = Object.entries(rest).filter(([key]) => !known.has(key));
      const cells = [
        time ? new Date(time.wallMillis).toISOString() : '',
        time?.by ?? '',
        report,
        cell(domain),
        ...fields.map((field) => cell(rest[field])),
        others.length === 0 ? '' : quoted(JSON.stringify(Object.fromEntries(others))),
      ];
      return `${cells.join(',')}\n`;
    },
  };
}

const FORMULA = /^'*[=+\-@\t\r]/;

function cell(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return typeof value === 'object' ? quoted(JSON.stringify(value)) : String(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return safe === '' || /[",\r\n]/.test(safe) ? quoted(safe) : safe;
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
