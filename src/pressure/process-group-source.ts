import type { Clock } from '../clock.ts';
import type { PressureSample } from '../records.ts';
import type { Bytes } from '../units.ts';
import type { PressureSource } from './contracts.ts';
import { addMissing, MachineReadings } from './machine-readings.ts';
import { ProcessTree } from './process-tree.ts';

export interface ProcessGroupSourceOptions {
  readonly clock: Clock;
  /** Programs of the domain; their descendants belong to it. More can be added. */
  readonly roots: readonly number[];
  /** What the domain may hold now, as its route enforces it. */
  readonly limit?: () => Bytes;
  readonly procRoot?: string;
}

/**
 * A domain made of processes. `usedBytes` and `limitBytes` are the domain's own; PSI, vmstat and `availableBytes` are
 * the machine's, for the kernel keeps none for a set of processes. So the scope says machine, and the domain's headroom
 * is the smaller of limit - used and available (headroom.ts).
 */
export class ProcessGroupSource implements PressureSource {
  readonly scope = 'machine';
  readonly #readings: MachineReadings;
  readonly #tree: ProcessTree;
  readonly #limit: (() => Bytes) | undefined;

  constructor({ clock, roots, limit, procRoot = '/proc' }: ProcessGroupSourceOptions) {
    this.#readings = new MachineReadings(procRoot, clock);
    this.#tree = new ProcessTree({ roots, procRoot });
    this.#limit = limit;
  }

  add(pid: number): void {
    this.#tree.add(pid);
  }

  sample(): PressureSample {
    const draft = this.#readings.draft();
    const used = this.#tree.usedBytes();
    if (this.#tree.size > 0) draft.usedBytes = used;
    else addMissing(draft, 'processes', 'none of the domain is running');
    if (this.#limit) draft.limitBytes = this.#limit();
    else addMissing(draft, 'limit', 'nothing bounds these processes');
    const meminfo = this.#readings.meminfo();
    if (meminfo.ok) draft.availableBytes = meminfo.availableBytes;
    else addMissing(draft, 'meminfo', meminfo.reason);
    return draft;
  }

  close(): void {
    this.#tree.close();
    this.#readings.close();
  }
}
