/**
 * Event channels, through /dev/xen/evtchn: Xen's interrupts between domains. A channel is a pair of ports, one a side; a
 * side that notifies makes the other's port pending. Source: Linux, include/uapi/xen/evtchn.h.
 *
 * An object belongs to the thread that made it.
 */
import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { ERRNO, errno, errnoName, ioctl, POLLIN, poll, read, write } from '../native/libc.ts';
import { mapPrivate, wordsOf } from '../native/mapping.ts';
import { scratchWords } from '../native/scratch.ts';
import { call, ioc, openDevice } from './device.ts';

const BIND_VIRQ = ioc('E', 0, 4);
const BIND_INTERDOMAIN = ioc('E', 1, 8);
const BIND_UNBOUND = ioc('E', 2, 4);
const UNBIND = ioc('E', 3, 4);
const NOTIFY = ioc('E', 4, 4);
const RESET = ioc('E', 5, 0);

/** Raised when Xen's free heap falls below its low mark. Source: Xen, public/xen.h. */
export const VIRQ_ENOMEM = 12;

const SILO = 'with Xen’s default policy a guest may reach dom0 only (xsm=dummy on Xen’s command line lifts it)';
/** Most ports that one reading takes: half of the page, beside the structures for poll and notify. */
const MOST_PORTS = 512;

export class EventChannels {
  readonly fd: number;
  readonly #page = mapPrivate(4096, { what: 'event channel page' });
  /** Ports as read; then, at MOST_PORTS, two structures for poll; then the port to notify. */
  readonly #words = wordsOf(this.#page);
  readonly #pollAddress = this.#page.address + MOST_PORTS * 4;
  readonly #notifyAddress = this.#page.address + (MOST_PORTS + 4) * 4;
  readonly #bound = new Set<number>();

  readonly #polled: number;

  /**
   * @param options.fd of channels that another thread has opened: its ports are bound there already. Opened when left out.
   * @param options.also another descriptor that ends a wait when it can be read.
   */
  constructor({ fd = openDevice('evtchn'), also }: { readonly fd?: number; readonly also?: number } = {}) {
    this.fd = fd;
    this.#words[MOST_PORTS] = fd;
    this.#words[MOST_PORTS + 1] = POLLIN;
    this.#words[MOST_PORTS + 2] = also ?? -1;
    this.#words[MOST_PORTS + 3] = POLLIN;
    this.#polled = also === undefined ? 1 : 2;
  }

  /** A port that domain `domid` may bind its own to. It is told the number by other means. @returns the port here. */
  bindUnbound(domid: number): number {
    scratchWords[0] = domid;
    return this.#bind(BIND_UNBOUND, 'offer an event channel', `to domain ${domid}`, { EPERM: SILO });
  }

  /** Connects to a port that `domid` has offered to this domain. @returns the port here. */
  bindInterdomain(domid: number, remotePort: number): number {
    scratchWords[0] = domid;
    scratchWords[1] = remotePort;
    return this.#bind(BIND_INTERDOMAIN, 'bind an event channel', `port ${remotePort} of domain ${domid}`, {
      EPERM: SILO,
      EINVAL: 'the other side has to offer the port to this domain first, and each port binds once',
      ESRCH: 'there is no such domain now',
    });
  }

  /** A virtual interrupt of Xen. Those of the whole machine, such as VIRQ_ENOMEM, are dom0's, and bind once. */
  bindVirq(virq: number): number {
    scratchWords[0] = virq;
    return this.#bind(BIND_VIRQ, 'bind a virtual interrupt', `VIRQ ${virq}`, {
      EEXIST: 'another program has it',
      EPERM: 'only dom0 may have it',
    });
  }

  /** Counts a port as bound here that another thread has bound on the same descriptor. */
  adopt(port: number): void {
    this.#bound.add(port);
  }

  unbind(port: number): void {
    scratchWords[0] = port;
    call({ fd: this.fd, request: UNBIND, operation: 'unbind an event channel', object: `port ${port}` });
    this.#bound.delete(port);
  }

  /** Makes the other side's port pending. Allocates nothing. @throws MemtideError when the port is not bound here. */
  notify(port: number): void {
    this.#words[MOST_PORTS + 4] = port;
    if (ioctl(this.fd, NOTIFY, this.#notifyAddress) === 0) return;
    throw new MemtideError({ operation: 'notify an event channel', object: `port ${port}`, actual: errnoName() });
  }

  /**
   * Waits until a port is pending. Allocates nothing.
   * @param timeoutMillis 0 looks and returns.
   * @returns how many ports are pending: the first so many of `ports`. Each stays masked until `unmask`.
   */
  wait(timeoutMillis: number): number {
    if (timeoutMillis > 0 && poll(this.#pollAddress, this.#polled, timeoutMillis) <= 0) return 0;
    const count = read(this.fd, this.#page.address, MOST_PORTS * 4);
    if (count >= 0) return count / 4;
    const code = errno();
    if (code === ERRNO.EAGAIN || code === ERRNO.EINTR) return 0;
    if (code === ERRNO.EFBIG) return this.#overflow();
    throw new MemtideError({ operation: 'read pending event channels', actual: errnoName(code) });
  }

  /** Readable while a port is pending. */
  get descriptor(): number {
    return this.fd;
  }

  /** The ports of the last `wait`. */
  get ports(): Int32Array {
    return this.#words;
  }

  /** Lets the first `count` of `ports` become pending again: before whoever waits looks at what they speak of. */
  unmask(count: number): void {
    if (count > 0 && write(this.fd, this.#page.address, count * 4) !== count * 4) {
      throw new MemtideError({ operation: 'unmask event channels', actual: errnoName() });
    }
  }

  /** Unbinds every port. */
  close(): void {
    fs.closeSync(this.fd);
  }

  /**
   * The kernel's ring did not hold all events, and says not which are lost. It is emptied, and every port counts as
   * pending: those that are masked come free with the next `unmask`.
   */
  #overflow(): number {
    call({ fd: this.fd, request: RESET, operation: 'empty the ring of event channels', object: '/dev/xen/evtchn' });
    let count = 0;
    for (const port of this.#bound) if (count < MOST_PORTS) this.#words[count++] = port;
    return count;
  }

  #bind(request: number, operation: string, object: string, remedies: Readonly<Record<string, string>>): number {
    const port = call({ fd: this.fd, request, operation, object, remedies });
    this.#bound.add(port);
    return port;
  }
}
