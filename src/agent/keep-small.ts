import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../coordination/collect-garbage.ts';
import { mallocTrim } from '../native/libc.ts';
import { MIB } from '../units.ts';

/** Connections stand and first messages have been sent by then. */
const START_IS_OVER_MILLIS = 5000;
const LOOK_MILLIS = 10_000;
/**
 * An idle agent makes that much garbage that outlives a scavenge in one to two minutes, a busy one in 10 to 20 seconds. A
 * collection takes some 10 ms of the slow plane.
 */
const GARBAGE_BYTES = 1.5 * MIB;

/**
 * Keeps this process as small as it can be. What malloc kept of the start goes back once: 2 MiB, most of it of the thread
 * that read the configuration. V8 sees to its own heap some ten seconds after a start (a collection asked for earlier
 * keeps it from compacting), but then lets 6 MiB of garbage gather, a few KiB a second, before it collects again.
 */
export function keepSmall(): void {
  setTimeout(() => mallocTrim(0), START_IS_OVER_MILLIS).unref();
  let leastBytes = Number.POSITIVE_INFINITY;
  setInterval(async () => {
    leastBytes = Math.min(leastBytes, usedBytes());
    if (usedBytes() - leastBytes < GARBAGE_BYTES) return;
    await collectGarbage();
    mallocTrim(0);
    leastBytes = usedBytes();
  }, LOOK_MILLIS).unref();
}

const usedBytes = (): number => getHeapStatistics().used_heap_size;
