import fs from 'node:fs';
import os from 'node:os';
import { formatBytes } from '../../units.ts';

/** Everything about the machine that a latency depends on. What cannot be read is `undefined`. */
export interface BenchEnvironment {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly arch: string;
  readonly kernel: string;
  readonly node: string;
  readonly memory_mib: number;
  readonly page_bytes: number;
  readonly thp: string | undefined;
  readonly thp_shmem: string | undefined;
  readonly huge_page_bytes: number | undefined;
  readonly last_level_cache_bytes: number;
  readonly load_1min: number;
  readonly malloc: string;
}

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

export function benchEnvironment(): BenchEnvironment {
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

export function describeEnvironment(e: BenchEnvironment): string {
  return [
    `${e.cpu}, ${e.cores} cores, ${e.memory_mib} MiB, ${e.arch}, Linux ${e.kernel}, Node ${e.node}`,
    `pages ${formatBytes(e.page_bytes)}, huge ${e.huge_page_bytes ? formatBytes(e.huge_page_bytes) : 'none'}, ` +
      `transparent huge pages ${e.thp ?? 'off'} (shared memory: ${e.thp_shmem ?? 'off'}), ` +
      `last-level cache ${formatBytes(e.last_level_cache_bytes)}, load ${e.load_1min.toFixed(2)}`,
  ].join('\n');
}
