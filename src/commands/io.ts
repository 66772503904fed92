/** What a command may touch of the outside world. main.ts makes it from the process; tests make their own. */
export interface CommandIo {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Whether stdout is a terminal that may be redrawn. */
  readonly interactive: boolean;
  /** Width of the terminal in characters; 80 where there is none. */
  readonly columns: number;
}
