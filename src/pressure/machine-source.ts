import type { Clock } from '../clock.ts';
import type { PressureSample } from '../records.ts';
import { bytes } from '../units.ts';
import type { PressureSource } from './contracts.ts';
import { addMissing, MachineReadings } from './machine-readings.ts';

export interface MachineSourceOptions {
  readonly clock: Clock;
  /** Where /proc is; tests use a fixture tree. */
  readonly procRoot?: string;
  /** Whether stalls are read; they are by default. Where not, they are absent and not missed. */
  readonly psi?: boolean;
}

/** The whole machine (or the whole Xen guest) as one domain: used is what programs could not do without. */
export class MachineSource implements PressureSource {
  readonly scope = 'machine';
  readonly #readings: MachineReadings;

  constructor({ clock, procRoot = '/proc', psi = true }: MachineSourceOptions) {
    this.#readings = new MachineReadings(procRoot, clock, psi);
  }

  sample(): PressureSample {
    const draft = this.#readings.draft();
    const meminfo = this.#readings.meminfo();
    if (meminfo.ok) {
      draft.usedBytes = bytes(Math.max(0, meminfo.totalBytes - meminfo.availableBytes));
      draft.limitBytes = meminfo.totalBytes;
      draft.availableBytes = meminfo.availableBytes;
    } else {
      addMissing(draft, 'meminfo', meminfo.reason);
    }
    return draft;
  }

  close(): void {
    this.#readings.close();
  }
}
