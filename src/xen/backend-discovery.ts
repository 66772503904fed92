import type { Geometry } from '../control/layout.ts';
import { errorMessage } from '../errors.ts';
import {
  type BackendAction,
  type BackendEvent,
  type BackendState,
  backendNode,
  newBackend,
  stepBackend,
} from './discovery.ts';
import {
  backendFields,
  backendPath,
  FRONTEND_FIELDS,
  type FrontendNode,
  frontendPath,
  type Offer,
  parseFrontend,
  type Seen,
} from './discovery-nodes.ts';
import { PublishedNode, readFields } from './node-exchange.ts';
import { type TurnOptions, Turns } from './turns.ts';
import type { Watch, Xenstore } from './xenstore/xenstore.ts';

export interface BackendHandlers {
  /** Maps the pages and binds the channel. What it rejects with is told to the front end. */
  connect(frontend: number, offer: Offer): Promise<void>;
  connected(frontend: number): void;
  /** Unmaps and unbinds. */
  disconnect(frontend: number, reason: string): void | Promise<void>;
  /** Something failed that is tried again. */
  problem(error: unknown): void;
}

export interface BackendDiscoveryOptions {
  readonly store: Xenstore;
  /** The guest's. Where it comes from is xenstore's own tree, never the guest. */
  readonly frontendDomid: number;
  readonly backendDomid?: number;
  /** See `newBackend`; the same for all guests. */
  readonly incarnation: number;
  readonly handlers: BackendHandlers;
  /** Told to the guest, whose control file has to fit. */
  readonly arena?: Geometry;
  readonly turns?: TurnOptions;
}

/** The control domain's side of one guest: takes its offers. */
export class BackendDiscovery {
  readonly #store: Xenstore;
  readonly #peerPath: string;
  readonly #handlers: BackendHandlers;
  readonly #own: PublishedNode;
  readonly #turns: Turns;
  readonly #arena: Geometry | undefined;
  #state: BackendState;
  #watch: Watch | undefined;
  #deaths: BackendEvent[] = [];

  constructor({
    store,
    frontendDomid,
    backendDomid = 0,
    incarnation,
    handlers,
    arena,
    turns,
  }: BackendDiscoveryOptions) {
    this.#arena = arena;
    this.#store = store;
    this.#peerPath = frontendPath(frontendDomid);
    this.#handlers = handlers;
    this.#own = new PublishedNode(store, backendPath(backendDomid, frontendDomid), [
      { domid: backendDomid, access: 'none' },
      { domid: frontendDomid, access: 'read' },
    ]);
    this.#state = newBackend(incarnation);
    this.#turns = new Turns(
      () => this.#turn(),
      (error) => handlers.problem(error),
      turns,
    );
  }

  get phase(): BackendState['phase'] {
    return this.#state.phase;
  }

  /** @throws MemtideError if xenstored refuses the watch. */
  async start(): Promise<void> {
    this.#watch = await this.#store.watch(this.#peerPath, () => this.#turns.ask());
  }

  /** The process behind an offer is gone. Its node may say "connected" until it has a successor. */
  died(frontend: number, reason: string): void {
    this.#deaths.push({ kind: 'died', frontend, reason });
    this.#turns.ask();
  }

  /**
   * Disconnects, whether or not xenstored is there. The node says "closed" for the front end to see.
   * @param gone the domain is no more, and so is the node afterwards
   * @throws MemtideError when xenstored does not take the node's change: may be called again.
   */
  async close({ gone = false } = {}): Promise<void> {
    await this.#turns.stop();
    await this.#step({ kind: 'close' });
    await this.#watch?.close();
    if (gone) await this.#own.remove();
    else if (this.#store.isUp) await this.#publish();
  }

  /** Looks and writes no more, and leaves the node as it is. */
  async stop(): Promise<void> {
    await this.#turns.stop();
    await this.#watch?.close();
  }

  async #turn(): Promise<void> {
    for (const death of this.#deaths.splice(0)) await this.#step(death);
    await this.#step({ kind: 'saw', frontend: await this.#look() });
    await this.#publish();
  }

  async #look(): Promise<Seen<FrontendNode>> {
    const found = await readFields(this.#store, this.#peerPath, FRONTEND_FIELDS);
    return found ? parseFrontend(found) : { kind: 'unusable', reason: 'it changes too fast to be read' };
  }

  #publish(): Promise<void> {
    return this.#own.publish(
      backendFields({ ...backendNode(this.#state), ...(this.#arena && { arena: this.#arena }) }),
    );
  }

  async #step(event: BackendEvent): Promise<void> {
    const { state, actions } = stepBackend(this.#state, event);
    this.#state = state;
    for (const action of actions) await this.#perform(action);
  }

  async #perform(action: BackendAction): Promise<void> {
    const { frontend } = action;
    if (action.kind === 'connected') {
      this.#handlers.connected(frontend);
    } else if (action.kind === 'disconnect') {
      await this.#handlers.disconnect(frontend, action.reason);
    } else {
      await this.#step(await this.#connect(frontend, action.offer));
    }
  }

  #connect(frontend: number, offer: Offer): Promise<BackendEvent> {
    return this.#handlers.connect(frontend, offer).then(
      () => ({ kind: 'mapped', frontend }),
      (error: unknown) => ({ kind: 'unmappable', frontend, reason: errorMessage(error) }),
    );
  }
}
