/** Waking up later, injected, so that whatever waits can run on a virtual clock. */
export interface Timer {
  /** Calls `run` once, `delayMicros` from now or a little later. @returns what cancels it. */
  after(delayMicros: number, run: () => void): () => void;
}

/** Node's own timers: whole milliseconds, at least one. */
export const systemTimer: Timer = {
  after(delayMicros, run) {
    const handle = setTimeout(run, delayMicros / 1000);
    return () => clearTimeout(handle);
  },
};
