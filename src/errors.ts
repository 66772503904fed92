/**
 * One error for everything that a user can mend. It says what was being done, to what, what was expected, what was
 * found, and what to do about it. Whatever caused it stays in `cause` and is shown with `--debug`.
 *
 * Expected outcomes (a refused offer, a stuck donor, an empty pool) are results, not errors.
 */
export interface ErrorDetail {
  /** What was being done: `open the control file`. */
  readonly operation: string;
  /** The file, key or peer it was done to. */
  readonly object?: string;
  readonly expected?: string;
  readonly actual?: string;
  /** What the user can do about it. */
  readonly remedy?: string;
  readonly cause?: unknown;
  readonly exitCode?: ExitCode;
}

/** Exit codes of the command line. 64 and up follow sysexits(3). */
export const EXIT = {
  ok: 0,
  /** The command ran and its answer is no: a failed check, a refused run. */
  failed: 1,
  usage: 64,
  badInput: 65,
  unavailable: 69,
  internal: 70,
  config: 78,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export class MemtideError extends Error {
  override readonly name = 'MemtideError';
  readonly detail: ErrorDetail;

  constructor(detail: ErrorDetail) {
    super(describe(detail), detail.cause === undefined ? undefined : { cause: detail.cause });
    this.detail = detail;
  }

  get exitCode(): ExitCode {
    return this.detail.exitCode ?? EXIT.failed;
  }
}

function describe({ operation, object, expected, actual, remedy }: ErrorDetail): string {
  let text = `cannot ${operation}`;
  if (object !== undefined) text += `: ${object}`;
  if (expected !== undefined) text += `\n  expected: ${expected}`;
  if (actual !== undefined) text += `\n  found:    ${actual}`;
  if (remedy !== undefined) text += `\n  to mend:  ${remedy}`;
  return text;
}

/** The `code` of a Node system error (`ENOENT`), if it is one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** One line about anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
