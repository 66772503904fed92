/** Xen's toolstack, as a program. */
import { execFile } from 'node:child_process';

export interface XlOutcome {
  readonly code: number;
  /** What it said, to either side. */
  readonly output: string;
}

/** A toolstack that hangs must not hang the agent; under emulation some commands take seconds. */
const TIMEOUT_MILLIS = 60_000;

/** @param path where it is looked for: PATH, when left out. Rejects when there is none. */
export function runXl(args: readonly string[], path = 'xl'): Promise<XlOutcome> {
  return new Promise((resolve, reject) => {
    execFile(path, args, { timeout: TIMEOUT_MILLIS }, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, output: stdout });
      else if (typeof error.code === 'number') resolve({ code: error.code, output: stderr || stdout });
      else reject(error);
    });
  });
}
