import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { PressureSample, PsiReading, VmstatReading } from '../records.ts';
import type { Micros } from '../units.ts';
import { MeminfoReader, type MeminfoResult } from './meminfo.ts';
import { PsiReader } from './psi.ts';
import { VmstatReader } from './vmstat.ts';

/** A sample while it is put together. */
export type Draft = { -readonly [Key in keyof PressureSample]: PressureSample[Key] };
export type Missing = NonNullable<PressureSample['missing']>[number];

/**
 * PSI and vmstat are read at most this often, whatever the sampling rate; samples in between carry the last reading.
 * Two reasons. A reader of a PSI file moves the kernel's averaging forward, and a trigger of an ordinary user is only
 * looked at when the kernel's own worker does that: whoever reads at 100 Hz gets there first and starves the trigger
 * (Linux kernel/sched/psi.c, psi_show and psi_avgs_work). And neither leads: memory in use shows a burst long before
 * anything stalls.
 */
export const STALL_INTERVAL_MICROS = 100_000 as Micros;

/** What all domains of a machine share: meminfo, PSI and vmstat under one /proc. */
export class MachineReadings {
  readonly #clock: Clock;
  readonly #meminfo: MeminfoReader;
  /** `undefined`: not to be read. */
  readonly #psi: PsiReader | undefined;
  readonly #vmstat: VmstatReader;
  readonly #missing: Missing[] = [];
  #lastPsi: PsiReading | undefined;
  #lastVmstat: VmstatReading | undefined;
  #stallsReadAt = Number.NEGATIVE_INFINITY;

  constructor(procRoot: string, clock: Clock, psi = true) {
    this.#clock = clock;
    this.#meminfo = new MeminfoReader(join(procRoot, 'meminfo'));
    if (psi) this.#psi = new PsiReader(join(procRoot, 'pressure/memory'));
    this.#vmstat = new VmstatReader(join(procRoot, 'vmstat'));
  }

  /** A new draft with the instant, and with stalls as they were at most {@link STALL_INTERVAL_MICROS} ago. */
  draft(): Draft {
    const atMicros = this.#clock.monotonicMicros();
    if (atMicros - this.#stallsReadAt >= STALL_INTERVAL_MICROS) {
      this.#stallsReadAt = atMicros;
      this.#readStalls();
    }
    const draft: Draft = { atMicros, scope: 'machine' };
    if (this.#lastPsi) draft.psi = this.#lastPsi;
    if (this.#lastVmstat) draft.vmstat = this.#lastVmstat;
    for (const entry of this.#missing) addMissing(draft, entry.source, entry.reason);
    return draft;
  }

  meminfo(): MeminfoResult {
    return this.#meminfo.read();
  }

  #readStalls(): void {
    this.#missing.length = 0;
    const psi = this.#psi?.read();
    this.#lastPsi = psi?.ok ? psi.psi : undefined;
    if (psi && !psi.ok) this.#missing.push({ source: 'psi', reason: psi.reason });
    const vmstat = this.#vmstat.read();
    this.#lastVmstat = vmstat.ok ? vmstat.vmstat : undefined;
    if (!vmstat.ok) this.#missing.push({ source: 'vmstat', reason: vmstat.reason });
  }

  close(): void {
    this.#meminfo.close();
    this.#psi?.close();
    this.#vmstat.close();
  }
}

/** Notes on `draft` that `source` could not be read. */
export function addMissing(draft: Draft, source: string, reason: string): void {
  draft.missing = [...(draft.missing ?? []), { source, reason }];
}
