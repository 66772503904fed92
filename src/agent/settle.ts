import { mallocTrim } from '../native/libc.ts';

/** Connections stand and first messages have been sent by then. */
const START_IS_OVER_MILLIS = 5000;

/**
 * Gives back, once, what malloc kept of the start: 2 MiB, most of it of the thread that read the configuration. V8 sees
 * to its own heap some ten seconds after a start; a collection asked for earlier keeps it from compacting (measured).
 */
export function settleSoon(): void {
  setTimeout(() => mallocTrim(0), START_IS_OVER_MILLIS).unref();
}
