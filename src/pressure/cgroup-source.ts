import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { MemtideError } from '../errors.ts';
import type { PressureSample } from '../records.ts';
import { bytes } from '../units.ts';
import type { PressureSource } from './contracts.ts';
import { addMissing, type Draft } from './machine-readings.ts';
import { label, PseudoFile } from './pseudo-file.ts';
import { PsiReader } from './psi.ts';

/**
 * The memory files of a cgroup (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst):
 *
 *     v2  memory.current         bytes held, page cache included
 *         memory.max             bytes, or the word "max"
 *         memory.stat            "inactive_file 4096", one counter a line
 *         memory.pressure        PSI of the cgroup
 *     v1  memory.usage_in_bytes  memory.limit_in_bytes (a huge number where none is set)
 *         memory.stat            "total_inactive_file 4096": with the cgroups below it
 *
 * Used = held - inactive file pages: those are dropped at once when something else wants the memory, so they are no
 * need. Kubernetes and Docker count the same way.
 */
const LAYOUTS = {
  v2: { held: 'memory.current', limit: 'memory.max', inactiveFile: label('inactive_file ') },
  v1: { held: 'memory.usage_in_bytes', limit: 'memory.limit_in_bytes', inactiveFile: label('total_inactive_file ') },
} as const;
export type CgroupVersion = keyof typeof LAYOUTS;

/** v1 writes the largest multiple of the page size below 2^63 where no limit is set; no machine has 2^60 bytes. */
const NO_LIMIT_FROM = 2 ** 60;
const NO_LIMIT = 'no limit is set: write a number of bytes to bound the cgroup';

export interface CgroupSourceOptions {
  readonly clock: Clock;
  /** The cgroup's own directory: `/sys/fs/cgroup/memtide/domain-a`. */
  readonly directory: string;
}

/**
 * One cgroup as a domain.
 * @throws MemtideError when the directory has none of the files of a cgroup's memory controller.
 */
export class CgroupSource implements PressureSource {
  readonly scope = 'domain';
  readonly version: CgroupVersion;
  readonly #clock: Clock;
  readonly #held: PseudoFile;
  readonly #limit: PseudoFile;
  readonly #stat: PseudoFile;
  readonly #psi: PsiReader | undefined;

  constructor({ clock, directory }: CgroupSourceOptions) {
    const layout = LAYOUTS[cgroupVersion(directory)];
    this.version = layout === LAYOUTS.v2 ? 'v2' : 'v1';
    this.#clock = clock;
    this.#held = new PseudoFile(join(directory, layout.held));
    this.#limit = new PseudoFile(join(directory, layout.limit));
    this.#stat = new PseudoFile(join(directory, 'memory.stat'));
    this.#psi = this.version === 'v2' ? new PsiReader(join(directory, 'memory.pressure')) : undefined;
  }

  sample(): PressureSample {
    const draft: Draft = { atMicros: this.#clock.monotonicMicros(), scope: 'domain' };
    this.#addMemory(draft);
    this.#addPsi(draft);
    addMissing(draft, 'vmstat', 'counted for the whole machine only');
    return draft;
  }

  #addMemory(draft: Draft): void {
    const held = this.#figure(draft, this.#held);
    const limit = this.#limitBytes(draft);
    const statFailure = this.#stat.refresh();
    const inactive = statFailure === undefined ? this.#stat.labelled(LAYOUTS[this.version].inactiveFile) : undefined;
    if (inactive === undefined) {
      addMissing(draft, 'memory.stat', statFailure ?? 'the count of inactive file pages is not in it');
    }
    if (limit !== undefined) draft.limitBytes = bytes(limit);
    if (held === undefined || inactive === undefined) return;
    const used = Math.max(0, held - inactive);
    draft.usedBytes = bytes(used);
    if (limit !== undefined) draft.availableBytes = bytes(Math.max(0, limit - used));
  }

  #limitBytes(draft: Draft): number | undefined {
    const failure = this.#limit.refresh();
    if (failure !== undefined) {
      addMissing(draft, this.#limit.path, failure);
      return undefined;
    }
    const limit = this.#limit.numberAt(0);
    if (limit !== undefined && limit < NO_LIMIT_FROM) return limit;
    addMissing(draft, this.#limit.path, NO_LIMIT);
    return undefined;
  }

  #figure(draft: Draft, file: PseudoFile): number | undefined {
    const failure = file.refresh();
    const value = failure === undefined ? file.numberAt(0) : undefined;
    if (value === undefined) addMissing(draft, file.path, failure ?? 'not a number');
    return value;
  }

  #addPsi(draft: Draft): void {
    const psi = this.#psi?.read() ?? { ok: false as const, reason: 'cgroup v1 has no PSI of its own: use cgroup v2' };
    if (psi.ok) draft.psi = psi.psi;
    else addMissing(draft, 'psi', psi.reason);
  }

  close(): void {
    this.#held.close();
    this.#limit.close();
    this.#stat.close();
    this.#psi?.close();
  }
}

/** Which memory controller `directory` belongs to. @throws MemtideError for neither. */
export function cgroupVersion(directory: string): CgroupVersion {
  if (existsSync(join(directory, LAYOUTS.v2.held))) return 'v2';
  if (existsSync(join(directory, LAYOUTS.v1.held))) return 'v1';
  throw new MemtideError({
    operation: 'read the memory of a cgroup',
    object: directory,
    expected: `${LAYOUTS.v2.held} (cgroup v2) or ${LAYOUTS.v1.held} (cgroup v1) in it`,
    actual: existsSync(directory) ? 'neither' : 'no such directory',
    remedy: 'name a cgroup below the root and switch its controller on: echo +memory > <parent>/cgroup.subtree_control',
  });
}
