import { setRealtimeLimit } from '../native/rlimit.ts';

/**
 * Keeps a real-time thread from taking a CPU for itself. SCHED_FIFO is for the microseconds after a wake-up; long work
 * (scrubbing what a burst has left, a peer that rings without end) needs no hurry and would stop every other program.
 * So whoever has used most of a window gives SCHED_FIFO up, and gets it back after a window that was quiet.
 *
 * This holds while the loop turns. What hangs inside one turn is ended by `boundRealtime`.
 */

/** Long enough for a burst of requests; short enough that nobody hears or sees the CPU missing. */
export const WINDOW_MICROS = 10_000;
/** Of a window; the kernel's own brake (sched_rt_runtime_us) comes at 0.95 of a second. */
const MOST_SHARE = 0.8;
/** A plane that has calmed down wakes up after this time to see that all is quiet. */
export const CALM_WAIT_MILLIS = 10;

/** What hangs in real time for this long ends the process, which its peers survive; a busy loop is calmed long before. */
const REALTIME_LIMIT_MICROS = 500_000;

/** Bounds the real-time run of this process by RLIMIT_RTTIME. */
export function boundRealtime(): { readonly lift: () => void } | { readonly errno: string } {
  const limit = setRealtimeLimit(REALTIME_LIMIT_MICROS);
  return 'errno' in limit ? limit : { lift: () => void setRealtimeLimit(limit.before) };
}

export interface GuardSites {
  /** CPU time of the thread. A system call: asked for once a window. */
  readonly cpuMicros: () => number;
  /** Takes SCHED_FIFO, or leaves it. */
  readonly setUrgent: (urgent: boolean) => void;
}

export class RealtimeGuard {
  readonly #sites: GuardSites;
  #on = false;
  #urgent = false;
  #windowStart = 0;
  #cpuAtStart = 0;

  constructor(sites: GuardSites) {
    this.#sites = sites;
  }

  /** @param on whether the thread has SCHED_FIFO now, and is to be watched. */
  watch(on: boolean, now: number): void {
    this.#on = on;
    this.#urgent = on;
    this.#begin(now);
  }

  /** Before anything that may take long: commands of the main thread. */
  calm(now: number): void {
    if (this.#on && this.#urgent) this.#switch(false);
    this.#begin(now);
  }

  /**
   * Once a turn of the loop. Allocates nothing.
   * @returns the longest time that the thread may sleep now, in milliseconds.
   */
  turn(now: number): number {
    if (!this.#on) return Number.POSITIVE_INFINITY;
    const elapsed = now - this.#windowStart;
    if (elapsed >= WINDOW_MICROS) {
      const busy = this.#sites.cpuMicros() - this.#cpuAtStart > elapsed * MOST_SHARE;
      if (busy === this.#urgent) this.#switch(!busy);
      this.#begin(now);
    }
    return this.#urgent ? Number.POSITIVE_INFINITY : CALM_WAIT_MILLIS;
  }

  #switch(urgent: boolean): void {
    this.#urgent = urgent;
    this.#sites.setUrgent(urgent);
  }

  #begin(now: number): void {
    this.#windowStart = now;
    this.#cpuAtStart = this.#on ? this.#sites.cpuMicros() : 0;
  }
}
