import { type Micros, micros } from './units.ts';

/**
 * Time, injected. Everything that decides by time takes a `Clock`, so tests and the simulation run on a virtual one.
 */
export interface Clock {
  /**
   * CLOCK_MONOTONIC in microseconds: comparable between processes of one machine (or one Xen domain), never between
   * machines or domains, and unaffected by wall-clock steps.
   */
  monotonicMicros(): Micros;
  /** Unix time in milliseconds. May jump; never used to measure. */
  wallMillis(): number;
}

// process.hrtime() reads CLOCK_MONOTONIC, and so does performance.now() but from an origin of its own. The difference is
// a constant of the process; taking it once lets the fast plane read the clock without making a BigInt each time.
const originMicros = (() => {
  let best = Number.POSITIVE_INFINITY;
  let origin = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    const before = performance.now();
    const monotonic = Number(process.hrtime.bigint()) / 1000;
    const after = performance.now();
    if (after - before < best) {
      best = after - before;
      origin = monotonic - ((before + after) / 2) * 1000;
    }
  }
  return origin;
})();

/** CLOCK_MONOTONIC in microseconds, without allocation beyond the number itself. */
export function monotonicMicros(): Micros {
  return micros(originMicros + performance.now() * 1000);
}

export const systemClock: Clock = { monotonicMicros, wallMillis: () => Date.now() };

/** A clock that moves only when told to. */
export class VirtualClock implements Clock {
  #monotonic: number;
  #wall: number;

  constructor(monotonicStart = 0, wallStart = 0) {
    this.#monotonic = monotonicStart;
    this.#wall = wallStart;
  }

  monotonicMicros(): Micros {
    return micros(this.#monotonic);
  }

  wallMillis(): number {
    return this.#wall;
  }

  advanceMicros(by: number): void {
    this.#monotonic += by;
    this.#wall += by / 1000;
  }

  /** A step of the wall clock alone, as NTP makes one. */
  stepWallMillis(by: number): void {
    this.#wall += by;
  }
}
