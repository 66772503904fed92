import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { collectGarbage } from '../coordination/collect-garbage.ts';
import { errorCode } from '../errors.ts';
import { mallocTrim } from '../native/libc.ts';
import { cgroupFiles } from '../platforms/budget/cgroup-files.ts';
import { ownUnified } from '../platforms/budget/cgroup-place.ts';
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
 * @returns whether the kernel was asked; it gives what it finds.
 */
export async function letGoOfStart(procRoot = '/proc'): Promise<boolean> {
  try {
    const own = ownUnified(cgroupFiles, procRoot);
    if (own === undefined) return false;
    const read = (name: string): string => cgroupFiles.read(path.join(own, name));
    const files = /^file (\d+)$/m.exec(read('memory.stat'))?.[1];
    if (files === undefined || read('cgroup.procs').trim() !== String(process.pid)) return false;
    // Not by the synchronous write: the kernel takes its time.
    await writeFile(path.join(own, 'memory.reclaim'), `${files} swappiness=0`, { flag: 'r+' });
    return true;
  } catch (error) {
    return errorCode(error) === 'EAGAIN'; // it has found less
  }
}

const usedBytes = (): number => getHeapStatistics().used_heap_size;
