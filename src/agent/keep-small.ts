import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
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
 * @param isDivided whether this process lives on the very memory that agents move, as it does in a guest of Xen.
 */
export function keepSmall({ isDivided }: { readonly isDivided: boolean }): void {
  setTimeout(() => {
    mallocTrim(0);
    if (isDivided) void letGoOfStart();
  }, START_IS_OVER_MILLIS).unref();
  let leastBytes = Number.POSITIVE_INFINITY;
  setInterval(async () => {
    leastBytes = Math.min(leastBytes, usedBytes());
    if (usedBytes() - leastBytes < GARBAGE_BYTES) return;
    await collectGarbage();
    mallocTrim(0);
    leastBytes = usedBytes();
  }, LOOK_MILLIS).unref();
}

/**
 * Gives back what only the start needed of files, code of Node most of all: of a guest's 28 MiB of mapped files 14 come back
 * into use (measured on the emulated board). Left alone the kernel finds them when memory is short, and its search is a stall.
 * Only in a cgroup of this process alone (v2, Linux 6.10): nowhere else can it be asked for without swapping.
 * @param folder of all cgroups. @param ownFile which of them is this process'. @returns whether the kernel was asked; it gives
 * what it finds.
 */
export async function letGoOfStart(folder = '/sys/fs/cgroup', ownFile = '/proc/self/cgroup'): Promise<boolean> {
  try {
    const own = /^0::(.+)$/m.exec(await readFile(ownFile, 'latin1'))?.[1];
    if (own === undefined) return false;
    const cgroup = path.join(folder, own);
    if ((await readFile(path.join(cgroup, 'cgroup.procs'), 'latin1')).trim() !== String(process.pid)) return false;
    const files = /^file (\d+)$/m.exec(await readFile(path.join(cgroup, 'memory.stat'), 'latin1'))?.[1];
    await writeFile(path.join(cgroup, 'memory.reclaim'), `${files} swappiness=0`);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN'; // it has found less
  }
}

const usedBytes = (): number => getHeapStatistics().used_heap_size;
