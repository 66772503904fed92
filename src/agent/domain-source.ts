import type { PressureSource } from '../pressure/contracts.ts';
import type { PressureSample } from '../records.ts';
import type { Bytes } from '../units.ts';

/**
 * The pressure of one domain on a shared machine: use and limit are the domain's own, as its budget counts them and with
 * its leases; PSI, vmstat and what is available are the machine's, and the sample says so.
 */
export class DomainSource implements PressureSource {
  readonly scope = 'machine';
  readonly #machine: PressureSource;
  readonly #domain: () => { readonly usedBytes: Bytes; readonly limitBytes: Bytes };

  constructor(machine: PressureSource, domain: () => { readonly usedBytes: Bytes; readonly limitBytes: Bytes }) {
    this.#machine = machine;
    this.#domain = domain;
  }

  sample(): PressureSample {
    return { ...this.#machine.sample(), ...this.#domain() };
  }

  close(): void {
    this.#machine.close();
  }
}
