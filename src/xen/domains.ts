import { MemtideError } from '../errors.ts';
import { type TurnOptions, Turns } from './turns.ts';
import { DOMID_MAX } from './xenstore/permissions.ts';
import type { Watch, Xenstore } from './xenstore/xenstore.ts';

/** The domains of the machine, as xenstore shows them (docs/misc/xenstore-paths.pandoc). */
export class XenDomains {
  readonly #store: Xenstore;

  constructor(store: Xenstore) {
    this.#store = store;
  }

  /**
   * This domain's own id, from the node `domid` of its home. In dom0 it is there once xen-init-dom0 has run.
   * @throws MemtideError if it is absent or no number.
   */
  async ownDomid(): Promise<number> {
    const text = await this.#store.read('domid');
    const domid = domidIn(text ?? '');
    if (domid !== undefined) return domid;
    throw new MemtideError({
      operation: 'find the domain’s own id in xenstore',
      object: 'domid',
      expected: 'a number',
      actual: text === undefined ? 'no such node' : JSON.stringify(text.slice(0, 40)),
      remedy: 'in dom0 run xen-init-dom0; in a guest see who created it',
    });
  }

  /** The name that the toolstack gave; `undefined` if there is no such domain. A guest may ask for its own only. */
  name(domid: number): Promise<string | undefined> {
    return this.#store.read(`/local/domain/${domid}/name`);
  }

  /**
   * The domain of that name: the youngest, where one that ends and its successor are both there. Dom0 only.
   * @throws MemtideError where there is none.
   */
  async domidOf(name: string): Promise<number> {
    for (const domid of (await this.list()).reverse()) if ((await this.name(domid)) === name) return domid;
    throw new MemtideError({
      operation: 'find a domain',
      object: name,
      expected: 'a domain that runs',
      actual: 'none of that name',
      remedy: 'xl list shows those that run',
    });
  }

  /** Ids of the domains that xenstored serves, in ascending order. Dom0 only. */
  async list(): Promise<number[]> {
    const names = (await this.#store.list('/local/domain')) ?? [];
    const domids = names.map(domidIn).filter((domid) => domid !== undefined);
    const served: number[] = [];
    for (const domid of domids.sort((a, b) => a - b)) if (await this.#store.isIntroduced(domid)) served.push(domid);
    return served;
  }
}

export interface GuestEvents {
  /** If it or `gone` rejects, it is called again after a while. */
  appeared(domid: number): void | Promise<void>;
  /** It was destroyed, or has crashed and is served no more. */
  gone(domid: number): void | Promise<void>;
  problem(error: unknown): void;
}

/** Tells of guests that come and go, one call at a time; of those that are there when it starts, too. Dom0 only. */
export class GuestWatch {
  readonly #store: Xenstore;
  readonly #domains: XenDomains;
  readonly #events: GuestEvents;
  readonly #turns: Turns;
  readonly #known = new Set<number>();
  #watches: Watch[] = [];

  constructor(store: Xenstore, events: GuestEvents, turns?: TurnOptions) {
    this.#store = store;
    this.#domains = new XenDomains(store);
    this.#events = events;
    this.#turns = new Turns(
      () => this.#turn(),
      (error) => events.problem(error),
      turns,
    );
  }

  async start(): Promise<void> {
    for (const event of ['@introduceDomain', '@releaseDomain']) {
      this.#watches.push(await this.#store.watch(event, () => this.#turns.ask()));
    }
  }

  /** Resolves when those that are there have been told of, or xenstore could not be asked. */
  async looked(): Promise<void> {
    this.#turns.ask();
    await this.#turns.ended();
  }

  async stop(): Promise<void> {
    await this.#turns.stop();
    for (const watch of this.#watches.splice(0)) await watch.close();
  }

  async #turn(): Promise<void> {
    const there = new Set((await this.#domains.list()).filter((domid) => domid !== 0));
    for (const domid of [...this.#known]) {
      if (there.has(domid)) continue;
      await this.#events.gone(domid);
      this.#known.delete(domid);
    }
    for (const domid of there) {
      if (this.#known.has(domid)) continue;
      await this.#events.appeared(domid);
      this.#known.add(domid);
    }
  }
}

function domidIn(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= DOMID_MAX ? Number(text) : undefined;
}
