import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { errorMessage } from '../../../errors.ts';
import { cgroupFiles } from '../../../platforms/budget/cgroup-files.ts';
import { findCgroupPlace } from '../../../platforms/budget/cgroup-place.ts';
import { CGROUP_V1, CGROUP_V2, type CgroupVersion } from '../../../platforms/budget/cgroup-version.ts';

/** Why the machine lets no cgroup be made, and what can be done. */
export interface NoGroup {
  readonly ok: false;
  readonly reason: string;
  readonly remedy: string;
}

/** Processes that have just ended leave their cgroup a moment later. */
const REMOVE_TRIES = 100;

/**
 * A cgroup whose members can be made short of memory. Whatever happens in it, the machine outside has as much as before,
 * and the kernel's out-of-memory killer would find its victim inside.
 */
export class MemoryGroup {
  readonly ok = true;
  readonly directory: string;
  readonly enforcedBy: string;
  readonly #version: CgroupVersion;

  private constructor(directory: string, version: CgroupVersion) {
    this.directory = directory;
    this.#version = version;
    this.enforcedBy = version.enforcedBy;
  }

  static make(): MemoryGroup | NoGroup {
    const place = findCgroupPlace(cgroupFiles, '/proc', process.pid);
    if (!place.ok) return place;
    if (place.mustDelegate) {
      return {
        ok: false,
        reason: `${place.parent} hands no memory controller down`,
        remedy: 'run it as root outside of any scope, or where memory is delegated to inner cgroups',
      };
    }
    const directory = path.join(place.parent, `memtide-bench-${process.pid}`);
    try {
      cgroupFiles.makeDirectory(directory);
    } catch (error) {
      return { ok: false, reason: errorMessage(error), remedy: 'run the bench as root' };
    }
    return new MemoryGroup(directory, place.version === 2 ? CGROUP_V2 : CGROUP_V1);
  }

  /** Takes a process in; what it starts from then on is in as well. */
  adopt(pid: number): void {
    cgroupFiles.write(path.join(this.directory, 'cgroup.procs'), String(pid));
  }

  usedBytes(): number {
    return Number(cgroupFiles.read(path.join(this.directory, this.#version.usageFile)));
  }

  /** The members may have this much together. */
  limit(byteLength: number): void {
    this.#version.raise(cgroupFiles, this.directory, byteLength);
  }

  lift(): void {
    this.#version.lift(cgroupFiles, this.directory);
  }

  /** When all members have ended. */
  async remove(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        fs.rmdirSync(this.directory);
        return;
      } catch (error) {
        if (tries === REMOVE_TRIES) throw error;
        await wait(20);
      }
    }
  }
}
