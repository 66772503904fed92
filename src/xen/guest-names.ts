import { GuestWatch, XenDomains } from './domains.ts';
import type { Xenstore } from './xenstore/xenstore.ts';

/** Which guest has which name now, kept up to date by xenstore's watches. Dom0 only. */
export class GuestNames {
  readonly #domains: XenDomains;
  readonly #watch: GuestWatch;
  readonly #names = new Map<number, string | undefined>();

  /** @param changed called when a guest has come or gone. */
  constructor(store: Xenstore, changed: () => void, problem: (error: unknown) => void) {
    this.#domains = new XenDomains(store);
    this.#watch = new GuestWatch(store, {
      appeared: async (domid) => {
        this.#names.set(domid, undefined);
        this.#names.set(domid, await this.#domains.name(domid));
        changed();
      },
      gone: (domid) => {
        this.#names.delete(domid);
        changed();
      },
      problem,
    });
  }

  /** Who is there already is known then: a name that is new has come. */
  async start(): Promise<void> {
    await this.#watch.start();
    await this.#watch.looked();
  }

  stop(): Promise<void> {
    return this.#watch.stop();
  }

  /** The youngest, where a guest that ends and its successor are both there. */
  domidOf(name: string): number | undefined {
    let found: number | undefined;
    for (const [domid, each] of this.#names) if (each === name && (found === undefined || domid > found)) found = domid;
    return found;
  }

  /** Asks again for the names that were not there yet. */
  async completeNames(): Promise<void> {
    for (const [domid, name] of this.#names)
      if (name === undefined) this.#names.set(domid, await this.#domains.name(domid));
  }
}
