/**
 * A doorbell that is rung from two sides: by other domains over event channels, and by programs of this domain through a
 * named pipe. One poll(2) waits for both: a futex cannot wait for an event channel, and has no word on granted pages.
 */
import type { DoorbellWaiter } from '../control/contracts.ts';
import { FifoWaiter } from '../control/fifo-bell.ts';
import { EventWaiter, type HeardPlace } from './event-bell.ts';
import { EventChannels } from './event-channels.ts';

export class DomainWaiter implements DoorbellWaiter {
  readonly channels: EventChannels;
  readonly #events: EventWaiter;
  readonly #programs: FifoWaiter;

  /** @param evtchnFd of /dev/xen/evtchn where another thread has opened it. */
  constructor(fifo: string, evtchnFd?: number) {
    this.#programs = new FifoWaiter(fifo);
    this.channels = new EventChannels({ also: this.#programs.fd, ...(evtchnFd !== undefined && { fd: evtchnFd }) });
    this.#events = new EventWaiter(this.channels, []);
  }

  get pending(): Int32Array {
    return this.#events.pending;
  }

  /** Rings of other domains that were heard, since the start. */
  get rungByDomains(): number {
    return this.#events.heard;
  }

  add(place: HeardPlace): void {
    this.#events.add(place);
  }

  remove(port: number): void {
    this.#events.remove(port);
  }

  wait(timeoutMillis: number): boolean {
    // What the pipe gets from here on ends the poll.
    const before = this.#takePrograms();
    const events = this.#events.wait(before ? 0 : timeoutMillis);
    const after = this.#takePrograms();
    return before || events || after;
  }

  close(): void {
    this.#programs.close();
    this.channels.close();
  }

  #takePrograms(): boolean {
    if (!this.#programs.wait(0)) return false;
    const from = this.#programs.pending;
    for (let word = 0; word < from.length; word++) {
      this.pending[word] = (this.pending[word] as number) | (from[word] as number);
      from[word] = 0;
    }
    return true;
  }
}
