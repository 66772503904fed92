import fs from 'node:fs';
import os from 'node:os';
import type { BenchEnvironment } from './result.ts';

/** What the machine itself tells; the rest of the environment is the run's own. */
export type MachineFacts = Omit<
  BenchEnvironment,
  | 'arena_mib'
  | 'arena_huge'
  | 'arena_huge_reason'
  | 'arena_locked'
  | 'chunk_bytes'
  | 'cold_bytes'
  | 'doorbell'
  | 'fast_plane_nice'
  | 'fast_plane_policy'
  | 'quick'
>;

const read = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
};
/** The word in brackets of `always [madvise] never`. */
const chosen = (text: string | undefined): string | undefined => /\[(\w+)\]/.exec(text ?? '')?.[1];

/** The largest cache of CPU 0; 8 MiB where the kernel does not say, more than any small board has. */
function lastLevelCacheBytes(): number {
  const root = '/sys/devices/system/cpu/cpu0/cache';
  let largest = 0;
  for (let index = 0; index < 6; index++) {
    const size = /^(\d+)K$/.exec(read(`${root}/index${index}/size`) ?? '');
    if (size) largest = Math.max(largest, Number(size[1]) * 1024);
  }
  return largest || 8 * 1024 * 1024;
}

/** Page size of the kernel, from this process's own mappings. */
function pageBytes(): number {
  const smaps = read('/proc/self/smaps') ?? '';
  return Number(/^KernelPageSize:\s+(\d+) kB$/m.exec(smaps)?.[1] ?? 4) * 1024;
}

export function machineFacts(): MachineFacts {
  const thp = '/sys/kernel/mm/transparent_hugepage';
  const huge = read(`${thp}/hpage_pmd_size`);
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    arch: process.arch,
    kernel: os.release(),
    node: process.version,
    memory_mib: Math.round(os.totalmem() / 1024 ** 2),
    page_bytes: pageBytes(),
    thp: chosen(read(`${thp}/enabled`)),
    thp_shmem: chosen(read(`${thp}/shmem_enabled`)),
    huge_page_bytes: huge === undefined ? undefined : Number(huge),
    last_level_cache_bytes: lastLevelCacheBytes(),
    load_1min: os.loadavg()[0]!,
    malloc: 'glibc; mmap threshold 32 KiB for local-fresh, 32 MiB for local-warm',
  };
}
