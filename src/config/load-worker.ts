import { parentPort, workerData } from 'node:worker_threads';
import { MemtideError } from '../errors.ts';
import { loadConfig } from './load.ts';
import type { ConfigAnswer } from './load-apart.ts';

/** The thread of load-apart.ts. */
function read(path: string | undefined): ConfigAnswer {
  try {
    return { config: loadConfig(path) };
  } catch (error) {
    if (!(error instanceof MemtideError)) throw error;
    const { cause, ...detail } = error.detail;
    // Of the cause, what can be copied between threads whatever its class: what it says.
    return { refused: cause instanceof Error ? { ...detail, cause: new Error(cause.message) } : detail };
  }
}

parentPort!.postMessage(read(workerData as string | undefined));
