import type { Clock } from '../../clock.ts';
import { free, malloc, memset } from '../../native/libc.ts';
import type { MemorySource, Taken } from './player.ts';

const TOUCH = 0x5a;

/** Memory of the C library, as any program takes it: for comparison with the same replay through memtide. */
export class LocalMemory implements MemorySource {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async take(byteLength: number): Promise<Taken> {
    const before = this.#clock.monotonicMicros();
    const address = malloc(byteLength);
    if (address === 0) return { ok: false, refusal: 'malloc returned NULL', waitedMicros: 0 };
    memset(address, TOUCH, byteLength);
    return {
      ok: true,
      totalMicros: this.#clock.monotonicMicros() - before,
      waitedMicros: 0,
      release: () => free(address),
    };
  }
}
