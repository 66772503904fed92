/** Page sizes, huge pages, shared memory, swap and pressure, from /proc and /sys. */

import fs from 'node:fs';
import { errorCode } from '../errors.ts';
import { pageSizeIn } from '../native/page-size.ts';
import { MeminfoReader } from '../pressure/meminfo.ts';
import { PsiReader, type PsiResult } from '../pressure/psi.ts';
import { KIB } from '../units.ts';
import type { MemoryFacts, Trial } from './facts.ts';
import type { FileTree } from './file-tree.ts';

const HUGE_PAGES = '/sys/kernel/mm/transparent_hugepage';

export function memoryFacts(tree: FileTree, hugeMount: Trial): MemoryFacts {
  const flag = (file: string): boolean | undefined => {
    const value = tree.number(file);
    return value === undefined ? undefined : value !== 0;
  };
  const swaps = parseSwaps(tree.text('/proc/swaps'));
  return {
    pageBytes: pageSizeIn(tree.bytes('/proc/self/auxv')),
    hugePageBytes: tree.number(`${HUGE_PAGES}/hpage_pmd_size`),
    transparentHugePages: chosenWord(tree.text(`${HUGE_PAGES}/enabled`)),
    sharedHugePages: chosenWord(tree.text(`${HUGE_PAGES}/shmem_enabled`)),
    hugeMount,
    userNamespaces: {
      max: tree.number('/proc/sys/user/max_user_namespaces'),
      unprivileged: flag('/proc/sys/kernel/unprivileged_userns_clone'),
      restrictedByApparmor: flag('/proc/sys/kernel/apparmor_restrict_unprivileged_userns'),
    },
    devShm: devShm(tree),
    meminfo: readMeminfo(tree),
    swapBytes: swaps?.reduce((sum, { bytes }) => sum + bytes, 0),
    zramSwap: swaps?.some(({ device }) => device.startsWith('/dev/zram')) ?? false,
  };
}

/** `madvise` of `always [madvise] never`. */
export const chosenWord = (text: string | undefined): string | undefined => /\[(\S+)\]/.exec(text ?? '')?.[1];

/** /proc/swaps: one line a device under a heading, its size in KiB in the third column. */
export function parseSwaps(text: string | undefined): { device: string; bytes: number }[] | undefined {
  return text
    ?.split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter((fields) => /^\d+$/.test(fields[2] ?? ''))
    .map((fields) => ({ device: fields[0]!, bytes: Number(fields[2]) * KIB }));
}

function devShm(tree: FileTree): MemoryFacts['devShm'] {
  try {
    const { bsize, blocks, bavail } = fs.statfsSync(tree.path('/dev/shm'));
    return { totalBytes: bsize * blocks, freeBytes: bsize * bavail, writable: tree.access('/dev/shm') === 'allowed' };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readMeminfo(tree: FileTree): MemoryFacts['meminfo'] {
  const reader = new MeminfoReader(tree.path('/proc/meminfo'));
  const result = reader.read();
  reader.close();
  return result;
}

export function readPsi(tree: FileTree): PsiResult {
  const reader = new PsiReader(tree.path('/proc/pressure/memory'));
  const result = reader.read();
  reader.close();
  return result;
}
