import { EXIT, MemtideError } from '../../errors.ts';
import { COLUMNS, FIRST_LINE, FORMAT_VERSION, PROVENANCE_KEYS, type Provenance, type Recording } from './format.ts';

/**
 * Reads a recording's text and believes nothing: each line is checked, and the first that is wrong is named with what
 * should stand there. The text may come from another program, another machine or a card that lost power.
 */
const LONGEST_LINE = 65_536;
const ROW = /^(\d{1,9}(?:\.\d{1,9})?),(\d{1,16})$/;

/** @param file the name for messages. @throws MemtideError naming file and line. */
export function parseRecording(text: string, file: string): Recording {
  const lines = new Lines(text.startsWith('\ufeff') ? text.slice(1) : text, file);
  const provenance = lines.peek()?.startsWith('#') ? readHeader(lines) : undefined;
  const columns = lines.next();
  if (columns !== COLUMNS) {
    throw lines.wrong(
      provenance ? `the columns ${COLUMNS}` : `${FIRST_LINE}${FORMAT_VERSION}, or the columns ${COLUMNS}`,
      columns,
      'record with memtide record, or give a CSV file with these two columns',
    );
  }
  const rows = readRows(lines, provenance !== undefined);
  const name = file.replace(/^.*\//, '').replace(/(\.memtide)?\.csv$/, '');
  return { name, ...rows, ...(provenance && { provenance }) };
}

function readHeader(lines: Lines): Provenance {
  const first = lines.next() ?? '';
  const version = first.startsWith(FIRST_LINE) ? first.slice(FIRST_LINE.length) : undefined;
  if (version !== String(FORMAT_VERSION)) {
    throw lines.wrong(
      `${FIRST_LINE}${FORMAT_VERSION}`,
      first,
      version === undefined
        ? 'if this is plain CSV, remove the lines that begin with #'
        : `this memtide reads version ${FORMAT_VERSION}: use the one that wrote the file`,
    );
  }
  const fields = new Map<string, string>();
  while (lines.peek()?.startsWith('#')) {
    const line = lines.next() ?? '';
    const match = /^# ([a-z_]+): (.*)$/.exec(line);
    if (!match) throw lines.wrong('# key: value', line, 'restore the line or remove it');
    if (fields.has(match[1]!)) throw lines.wrong(`${match[1]} once`, line, 'remove one of the two lines');
    fields.set(match[1]!, match[2]!);
  }
  for (const key of PROVENANCE_KEYS) {
    if (!fields.has(key))
      throw lines.wrong(`# ${key}: ... in the header`, undefined, 'add the line; unknown is a value');
  }
  return Object.fromEntries(fields) as unknown as Provenance;
}

function readRows(lines: Lines, endsInNewline: boolean): Pick<Recording, 'trace' | 'truncated'> {
  const atMicros: number[] = [];
  const usedBytes: number[] = [];
  let previous = Number.NEGATIVE_INFINITY;
  let truncated = false;
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (endsInNewline && lines.lastWasCutOff) {
      truncated = true;
      break;
    }
    const match = ROW.exec(line);
    const at = match ? Math.round(Number(match[1]) * 1e6) : Number.NaN;
    const used = match ? Number(match[2]) : Number.NaN;
    if (!Number.isSafeInteger(used)) {
      throw lines.wrong('seconds and whole bytes, as 1.25,1048576', line, 'mend or remove the line');
    }
    if (at <= previous) {
      throw lines.wrong(
        `a time after ${previous / 1e6} s`,
        line,
        'sort the rows by time, and keep one for each instant',
      );
    }
    atMicros.push(at);
    usedBytes.push(used);
    previous = at;
  }
  if (atMicros.length === 0) throw lines.wrong('at least one row', undefined, 'record again');
  return { trace: { atMicros: Float64Array.from(atMicros), usedBytes: Float64Array.from(usedBytes) }, truncated };
}

/** Lines of a text, one after another, with their number. Accepts both kinds of line ends. */
class Lines {
  readonly #text: string;
  readonly #file: string;
  #from = 0;
  #number = 0;
  #cutOff = false;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  peek(): string | undefined {
    if (this.#from >= this.#text.length) return undefined;
    const end = this.#text.indexOf('\n', this.#from);
    const line = this.#text.slice(this.#from, end < 0 ? undefined : end);
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }

  next(): string | undefined {
    const line = this.peek();
    this.#number++;
    if (line === undefined) return undefined;
    if (line.length > LONGEST_LINE) {
      throw this.wrong(`at most ${LONGEST_LINE} characters a line`, line, 'give a recording: this is no text file');
    }
    const end = this.#text.indexOf('\n', this.#from);
    this.#cutOff = end < 0;
    this.#from = end < 0 ? this.#text.length : end + 1;
    return line;
  }

  /** Whether the line that `next` gave last had no newline. */
  get lastWasCutOff(): boolean {
    return this.#cutOff;
  }

  wrong(expected: string, actual: string | undefined, remedy: string): MemtideError {
    return new MemtideError({
      operation: 'read the recording',
      object: `${this.#file}, line ${this.#number}`,
      expected,
      actual: actual === undefined ? 'the end of what was there' : printable(actual),
      remedy,
      exitCode: EXIT.badInput,
    });
  }
}

/** Safe to print on a terminal, and short. */
const printable = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text).replaceAll(/[\u007f-\u009f]/g, '?');
