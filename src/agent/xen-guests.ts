import { systemClock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import { errorMessage, MemtideError } from '../errors.ts';
import { POLLIN } from '../native/libc.ts';
import { loadEpoll, type Poller } from '../pressure/epoll.ts';
import type { Mode } from '../records.ts';
import { XenConstructs } from '../xen/constructs.ts';
import { rateLimit } from '../xen/credit2.ts';
import { GuestNames } from '../xen/guest-names.ts';
import { HypercallBooks } from '../xen/hypercall-books.ts';
import { LowMemorySignal } from '../xen/low-memory.ts';
import type { MemoryBooks } from '../xen/memory-books.ts';
import { Turns } from '../xen/turns.ts';
import { openXenstore } from '../xen/xenstore/open.ts';
import { Xenstore } from '../xen/xenstore/xenstore.ts';
import { XlBooks } from '../xen/xl-books.ts';
import { GuestConstructs } from './guest-constructs.ts';
import type { Log } from './log.ts';
import { ReservationMover } from './reservation-mover.ts';

/** Between two looks at Xen's books when nothing calls for one: a guest that is short says so. */
const LOOK_MILLIS = 500;
/** Least time between two: guests that report in a flood cost dom0 no more than that. */
const SPACING_MILLIS = 50;

export interface XenGuestsOptions {
  readonly config: Config;
  readonly log: Log;
  readonly mode: () => Mode;
  readonly tell: (domain: string, notice: BackendNotice) => void;
}

/** What the back end in dom0 has to do with Xen: whose guest has which name, Xen's books, its word that memory is short. */
export class XenGuests {
  readonly #store: Xenstore;
  readonly #names: GuestNames;
  readonly #books: MemoryBooks;
  readonly #mover: ReservationMover;
  readonly #turns: Turns;
  readonly #log: Log;
  readonly #signal: LowMemorySignal | undefined;
  readonly #config: Config;
  readonly #constructs = new XenConstructs();
  readonly #guestConstructs: GuestConstructs;
  #poller: Poller | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: XenGuestsOptions, store: Xenstore, books: MemoryBooks) {
    const { config, log, mode, tell } = options;
    const domidOf = (name: string): number | undefined => this.#names.domidOf(name);
    this.#store = store;
    this.#books = books;
    this.#config = config;
    this.#log = log;
    this.#mover = new ReservationMover({
      config,
      books,
      domidOf,
      tell,
      mode,
      clock: systemClock,
      onOutcome: (text) => log.debug(text),
      onOverstated: (domain) =>
        log.warn({ domain }, 'a guest claims to have moved memory that Xen knows nothing of; Xen is believed'),
    });
    const problem = (error: unknown): void => {
      if (store.isUp) log.warn({ error: errorMessage(error) }, 'Xen could not be asked'); // else that has been told
    };
    this.#guestConstructs = new GuestConstructs({
      domains: config.domains,
      domidOf,
      constructs: this.#constructs,
      problem,
    });
    this.#turns = new Turns(() => this.#look(), problem, { spacingMillis: SPACING_MILLIS });
    this.#names = new GuestNames(store, () => this.#turns.ask(), problem);
    this.#signal = this.#openSignal();
  }

  /** @returns undefined where no domain of the configuration is a guest. @throws MemtideError anywhere but in dom0. */
  static async open(options: XenGuestsOptions): Promise<XenGuests | undefined> {
    if (options.config.domains.every(({ guest }) => guest === undefined)) return undefined;
    const { log } = options;
    const store = new Xenstore({
      open: () => openXenstore(),
      events: {
        lost: (error) =>
          log.warn({ error: error.message }, 'guests that come and go are not seen until xenstored answers'),
        restored: () => log.info('xenstored answers again'),
      },
    });
    await store.start();
    const guests = new XenGuests(options, store, openBooks(store, options.log));
    await guests.#start();
    return guests;
  }

  heard(domain: string, call: BackendCall): void {
    const urgent =
      call.op === 'report' ? this.#mover.report(domain, call) : call.op === 'moved' && this.#mover.moved(domain, call);
    if (urgent) this.#turns.ask();
  }

  met(domain: string): void {
    this.#mover.met(domain);
  }

  /** What the guest holds, by Xen's count. */
  limitOf(domain: string): number | undefined {
    return this.#mover.limitOf(domain);
  }

  /** Whatever was asked of guests before is another matter now. */
  modeChanged(): void {
    this.#turns.ask();
  }

  makeRoom(...room: Parameters<ReservationMover['makeRoom']>): Promise<boolean> {
    const there = this.#mover.makeRoom(...room);
    this.#turns.ask();
    return there;
  }

  status(): Record<string, unknown> {
    return {
      asked_by: this.#books.source,
      low_memory_signals: this.#signal?.heard,
      constructs: this.#constructs.reports,
      ...this.#mover.status(),
    };
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#poller?.close();
    this.#signal?.close();
    await this.#turns.stop();
    await this.#guestConstructs.stop();
    await this.#constructs.undo();
    await this.#names.stop();
    await this.#store.close();
    this.#books.close();
  }

  async #start(): Promise<void> {
    await this.#names.start();
    const loaded = this.#signal ? await loadEpoll() : undefined;
    if (this.#signal && loaded?.ok) {
      this.#poller = new loaded.epoll.Epoll(() => this.#hearSignal());
      this.#poller.add(this.#signal.descriptor, POLLIN);
    }
    const { rate_limit_us } = this.#config.xen;
    if (rate_limit_us !== undefined) await this.#constructs.apply([rateLimit(rate_limit_us)]);
    this.#timer = setInterval(() => {
      this.#hearSignal(); // without the package it is looked at; with it, this finds nothing
      this.#turns.ask();
    }, LOOK_MILLIS);
    this.#log.info({ asked_by: this.#books.source }, 'the reservations of Xen’s guests are moved');
  }

  async #look(): Promise<void> {
    await this.#names.completeNames();
    this.#guestConstructs.look();
    await this.#mover.tick();
  }

  #hearSignal(): void {
    if (this.#signal?.take()) this.#turns.ask();
  }

  #openSignal(): LowMemorySignal | undefined {
    try {
      return new LowMemorySignal();
    } catch (error) {
      this.#log.warn(
        { error: errorMessage(error) },
        'without Xen’s low-memory signal; its free heap is looked at only',
      );
      return undefined;
    }
  }
}

/** Hypercalls where this Xen is known; else its toolstack. */
function openBooks(store: Xenstore, log: Log): MemoryBooks {
  try {
    return new HypercallBooks();
  } catch (error) {
    if (!(error instanceof MemtideError)) throw error;
    log.warn({ error: error.message }, 'Xen is asked through its toolstack');
    const target = (domid: number): string => `/local/domain/${domid}/memory/target`;
    return new XlBooks({ writeTarget: (domid, kib) => store.write(target(domid), String(kib)) });
  }
}
