/**
 * Reads the configuration in a thread of its own that ends with it. The schemas and what checks them cost 8 MiB, which
 * an agent that runs for months would keep for one page of text that it reads once.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ErrorDetail, MemtideError } from '../errors.ts';
import { deepFreeze } from './freeze.ts';
import type { Config } from './schema.ts';

/** What the thread says, once: plain data, because neither prototypes nor frozenness cross between threads. */
export type ConfigAnswer = { readonly config: Config } | { readonly refused: ErrorDetail };

/** As `loadConfig`: the same configuration, the same errors. */
export async function loadConfigApart(path: string | undefined): Promise<Config> {
  const extension = extname(fileURLToPath(import.meta.url));
  const worker = new Worker(new URL(`./load-worker${extension}`, import.meta.url), { workerData: path });
  const answer = await new Promise<ConfigAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread ended with code ${code} before it had read anything`)));
  });
  if ('refused' in answer) throw new MemtideError(answer.refused);
  return deepFreeze(answer.config);
}
