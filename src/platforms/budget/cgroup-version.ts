/**
 * What differs between the two cgroup versions: names, the meaning of "no limit", and how a limit is lowered without
 * ever letting the kernel kill. There is no swap on these boards, so a limit below what is used means the OOM killer.
 */
import { join } from 'node:path';
import { errorCode } from '../../errors.ts';
import type { CgroupFiles } from './cgroup-files.ts';

export interface CgroupVersion {
  readonly enforcedBy: string;
  readonly atTheLimit: string;
  readonly limitFile: string;
  readonly usageFile: string;
  /** Key in memory.stat: page cache that the kernel drops before anything else. */
  readonly idleCacheKey: string;
  raise(files: CgroupFiles, directory: string, limit: number): void;
  /** @returns false when the kernel could not bring the use down that far: then the limit is what it was. */
  lower(files: CgroupFiles, directory: string, from: number, to: number, margin: number): boolean;
  lift(files: CgroupFiles, directory: string): void;
}

/**
 * `memory.high` is kept a little below `memory.max`: beyond it a program is slowed and its cache reclaimed, which gives
 * the agent the time to grow the domain before the kernel must kill. An eighth of small domains, 8 MiB of others.
 */
export const highBelow = (limit: number): number => limit - Math.min(Math.floor(limit / 8), 8 * 1024 * 1024);

export const CGROUP_V2: CgroupVersion = {
  enforcedBy: 'cgroup v2',
  atTheLimit: 'slowed, then killed by the kernel',
  limitFile: 'memory.max',
  usageFile: 'memory.current',
  idleCacheKey: 'inactive_file',
  raise(files, directory, limit) {
    files.write(join(directory, 'memory.max'), String(limit));
    files.write(join(directory, 'memory.high'), String(highBelow(limit)));
  },
  // Writing memory.max below the use reclaims and then kills. Writing memory.high reclaims and never kills, and holds
  // the programs back meanwhile: so that goes first, and memory.max follows only to where the use really is below it.
  lower(files, directory, from, to, margin) {
    files.write(join(directory, 'memory.high'), String(highBelow(to)));
    if (Number(files.read(join(directory, 'memory.current'))) + margin > to) {
      files.write(join(directory, 'memory.high'), String(highBelow(from)));
      return false;
    }
    files.write(join(directory, 'memory.max'), String(to));
    return true;
  },
  lift(files, directory) {
    files.write(join(directory, 'memory.max'), 'max');
    files.write(join(directory, 'memory.high'), 'max');
  },
};

export const CGROUP_V1: CgroupVersion = {
  enforcedBy: 'cgroup v1',
  atTheLimit: 'killed by the kernel',
  limitFile: 'memory.limit_in_bytes',
  usageFile: 'memory.usage_in_bytes',
  idleCacheKey: 'total_inactive_file',
  raise(files, directory, limit) {
    files.write(join(directory, 'memory.limit_in_bytes'), String(limit));
  },
  // v1 reclaims, and where that is not enough leaves the limit and answers EBUSY: the kernel itself is safe here.
  // The margin is checked before: a program that stands exactly at its limit dies by its next allocation.
  lower(files, directory, _from, to) {
    try {
      files.write(join(directory, 'memory.limit_in_bytes'), String(to));
      return true;
    } catch (error) {
      if (errorCode(error) === 'EBUSY') return false;
      throw error;
    }
  },
  lift(files, directory) {
    files.write(join(directory, 'memory.limit_in_bytes'), '-1');
  },
};
