/**
 * Xen's word that its free heap falls below a mark (VIRQ_ENOMEM): dom0 only, and one program at a time. A hint: each firing
 * halves the mark, and it is set again when twice as much is free, so whoever relies on memory being free looks anyway.
 */
import { EventChannels, VIRQ_ENOMEM } from './event-channels.ts';

export class LowMemorySignal {
  readonly #channels = new EventChannels();
  #heard = 0;

  /** @throws MemtideError where it cannot be bound: not dom0, or another program has it. */
  constructor() {
    this.#channels.bindVirq(VIRQ_ENOMEM);
    this.take(); // a port is born pending
    this.#heard = 0;
  }

  /** For whoever can wait for it to become readable. */
  get descriptor(): number {
    return this.#channels.descriptor;
  }

  /** How often it came. */
  get heard(): number {
    return this.#heard;
  }

  /** @returns whether it has come since the last time. */
  take(): boolean {
    const count = this.#channels.wait(0);
    this.#channels.unmask(count);
    if (count > 0) this.#heard++;
    return count > 0;
  }

  close(): void {
    this.#channels.close();
  }
}
