import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ZeroOrder } from './zero-worker.ts';

/**
 * Zeroes memory of this process on another thread, as a scrubber in another process would: the caches are then in the
 * same state as after one.
 */
export class ZeroThread {
  #worker: Worker | undefined;

  start(): void {
    const here = fileURLToPath(import.meta.url);
    this.#worker = new Worker(path.join(path.dirname(here), `zero-worker${path.extname(here)}`));
  }

  /** @param cpu where to do it, as far as the rights go: it decides whose caches hold the memory afterwards. */
  zero(address: number, length: number, cpu?: number): Promise<void> {
    return new Promise((resolve) => {
      this.#worker!.once('message', () => resolve());
      this.#worker!.postMessage({ address, length, cpu } satisfies ZeroOrder);
    });
  }

  async stop(): Promise<void> {
    await this.#worker?.terminate();
  }
}
