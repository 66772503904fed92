import { type Connection, openConnection } from './client/connection.ts';
import { RunFiles } from './coordination/run-files.ts';
import { MemtideError } from './errors.ts';

/**
 * memtide for applications: memory for a burst, at the latency of a local allocation.
 *
 * ```ts
 * import { connect } from 'memtide';
 *
 * const memtide = await connect({ domain: 'infotainment' });
 * const lease = await memtide.borrow(16 * 1024 * 1024, { deadline: 50 });
 * decodeInto(lease.view);
 * lease.release();
 * ```
 */
export interface ConnectOptions {
  /** Which domain of this machine; not needed with `socket`. */
  readonly domain?: string;
  /** The agents' run directory; `MEMTIDE_RUN_DIR` of the environment if left out. */
  readonly runDir?: string;
  /** The agent's socket itself. */
  readonly socket?: string;
}

/**
 * Connects to the agent of a domain. Programs that `memtide run` starts find their domain in the environment.
 * @throws MemtideError when no agent answers.
 */
export async function connect(options: ConnectOptions = {}): Promise<Connection> {
  return openConnection(options.socket ?? socketOf(options));
}

function socketOf({ domain, runDir }: ConnectOptions): string {
  const folder = runDir ?? process.env.MEMTIDE_RUN_DIR;
  const name = domain ?? process.env.MEMTIDE_DOMAIN;
  if (folder === undefined || name === undefined) {
    throw new MemtideError({
      operation: 'find the agent to connect to',
      expected: 'a domain and a run directory',
      actual: `domain ${name ?? 'not given'}, run directory ${folder ?? 'not given'}`,
      remedy: 'pass { domain, runDir } or start the program with: memtide run --domain NAME -- COMMAND',
    });
  }
  return new RunFiles(folder).domain(name).socket;
}

export { type BorrowOptions, BorrowRefused, type Connection } from './client/connection.ts';
export { Lease, type ReclaimRequest } from './client/lease.ts';
export { MemtideError } from './errors.ts';
