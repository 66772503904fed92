import { systemClock } from '../clock.ts';

/** Milliseconds between attempts to reach a peer that has gone: soon at first, since it may only be restarting. */
export const RECONNECT_MILLIS = { first: 25, largest: 250 } as const;

/** The delay before attempt `attempt` (0 and up): doubled each time, bounded. */
export const reconnectDelay = (attempt: number): number =>
  Math.min(RECONNECT_MILLIS.largest, RECONNECT_MILLIS.first * 2 ** Math.min(attempt, 8));

/** How long a predecessor's lock or connection may outlive it, and a clean-up may take, before it is taken to be alive. */
const PREDECESSOR_MILLIS = 1000;
const PREDECESSOR_LOOK_MILLIS = 20;

/**
 * Repeats `attempt` while it returns undefined, for up to a second: what a process that was killed held is dropped a
 * moment after its end. @returns undefined when it is still held then.
 */
export async function outlast<Result>(
  attempt: () => Result | undefined | Promise<Result | undefined>,
): Promise<Result | undefined> {
  const giveUpAt = systemClock.monotonicMicros() + PREDECESSOR_MILLIS * 1000;
  for (;;) {
    const result = await attempt();
    if (result !== undefined || systemClock.monotonicMicros() >= giveUpAt) return result;
    await new Promise((resolve) => setTimeout(resolve, PREDECESSOR_LOOK_MILLIS));
  }
}
