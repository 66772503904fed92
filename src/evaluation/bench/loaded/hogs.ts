import { setTimeout as wait } from 'node:timers/promises';
import { BenchChild } from '../child.ts';
import type { HogCall } from './cpu-hog.ts';

/** Until the scheduler has spread them over the CPUs, or has found that they are gone. */
const SETTLE_MILLIS = 20;

/** Programs that keep every CPU busy, or rest. */
export class Hogs {
  readonly count: number;
  readonly #children: BenchChild[] = [];
  #working = false;

  constructor(count: number) {
    this.count = count;
  }

  start(): void {
    for (let hog = 0; hog < this.count; hog++) this.#children.push(new BenchChild('loaded/cpu-hog', 'CPU hog'));
  }

  async work(working: boolean): Promise<void> {
    if (working === this.#working) return;
    this.#working = working;
    const message: HogCall = { call: working ? 'work' : 'rest' };
    await Promise.all(this.#children.map((child) => child.call(message)));
    await wait(SETTLE_MILLIS);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.splice(0).map((child) => child.stop()));
  }
}
