import type { Geometry } from '../control/layout.ts';
import { MemtideError } from '../errors.ts';
import {
  type FrontendAction,
  type FrontendEvent,
  type FrontendState,
  frontendNode,
  newFrontend,
  stepFrontend,
} from './discovery.ts';
import {
  BACKEND_FIELDS,
  type BackendNode,
  backendPath,
  frontendFields,
  frontendPath,
  MAX_GRANT_REFS,
  type Offer,
  offerProblem,
  parseBackend,
  type Seen,
} from './discovery-nodes.ts';
import { PublishedNode, readFields } from './node-exchange.ts';
import { type TurnOptions, Turns } from './turns.ts';
import type { Watch, Xenstore } from './xenstore/xenstore.ts';

export interface FrontendHandlers {
  /**
   * Makes the grants and the channel of an offer. If it rejects, it is called again after a while.
   * @param arena as the back end has told it.
   */
  prepare(incarnation: number, arena: Geometry | undefined): Promise<Offer>;
  connected(incarnation: number): void;
  /** The offer is over: end its grants, close its channel. */
  withdraw(incarnation: number, reason: string): void | Promise<void>;
  refused(incarnation: number, reason: string): void;
  /** Something failed that is tried again. */
  problem(error: unknown): void;
}

export interface FrontendDiscoveryOptions {
  readonly store: Xenstore;
  /** This domain's. */
  readonly domid: number;
  /** 0, the control domain, unless the board says otherwise. */
  readonly backendDomid?: number;
  /** See `newFrontend`. */
  readonly incarnation: number;
  readonly handlers: FrontendHandlers;
  readonly turns?: TurnOptions;
}

/** How long a back end may take to let go of an offer. */
const CLOSE_MILLIS = 2000;

/** A guest's side: offers its control file to the back end, whenever there is one. */
export class FrontendDiscovery {
  readonly #store: Xenstore;
  readonly #peerPath: string;
  readonly #handlers: FrontendHandlers;
  readonly #own: PublishedNode;
  readonly #turns: Turns;
  #state: FrontendState;
  #watch: Watch | undefined;
  #isClosing = false;
  #closed: () => void = () => {};
  #arena: Geometry | undefined;

  constructor({ store, domid, backendDomid = 0, incarnation, handlers, turns }: FrontendDiscoveryOptions) {
    this.#store = store;
    this.#peerPath = backendPath(backendDomid, domid);
    this.#handlers = handlers;
    this.#own = new PublishedNode(store, frontendPath(domid));
    this.#state = newFrontend(incarnation);
    this.#turns = new Turns(
      () => this.#turn(),
      (error) => handlers.problem(error),
      turns,
    );
  }

  get phase(): FrontendState['phase'] {
    return this.#state.phase;
  }

  /** @throws MemtideError if xenstored refuses the watch. */
  async start(): Promise<void> {
    this.#watch = await this.#store.watch(this.#peerPath, () => this.#turns.ask());
  }

  /** Withdraws, once the back end has let go or after two seconds. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    this.#isClosing = true;
    this.#turns.ask();
    const patience = setTimeout(() => this.#closed(), CLOSE_MILLIS);
    await closed;
    clearTimeout(patience);
    await this.stop();
  }

  /** Looks and writes no more, and leaves the node as it is. */
  async stop(): Promise<void> {
    await this.#turns.stop();
    if (this.#store.isUp) await this.#watch?.close();
  }

  async #turn(): Promise<void> {
    if (this.#isClosing) await this.#step({ kind: 'close' });
    await this.#step({ kind: 'saw', backend: await this.#look() });
    await this.#publish();
    if (this.#state.phase === 'closed') this.#closed();
    if (this.#state.phase !== 'preparing') return;
    // Only now: the back end must see that the last offer is over before there is another.
    const { incarnation } = this.#state;
    const offer = await this.#handlers.prepare(incarnation, this.#arena);
    const problem = offerProblem(offer);
    if (problem !== undefined) {
      await this.#handlers.withdraw(incarnation, problem);
      throw new MemtideError({
        operation: 'offer a control file to the back end',
        expected: `1 to ${MAX_GRANT_REFS} pages and a bound event channel`,
        actual: problem,
        remedy: 'choose a smaller arena or larger chunks',
      });
    }
    await this.#step({ kind: 'prepared', incarnation, offer });
    await this.#publish();
  }

  async #look(): Promise<Seen<BackendNode>> {
    const found = await readFields(this.#store, this.#peerPath, BACKEND_FIELDS);
    const seen: Seen<BackendNode> = found
      ? parseBackend(found)
      : { kind: 'unusable', reason: 'it changes too fast to be read' };
    if (seen.kind === 'node') this.#arena = seen.node.arena;
    return seen;
  }

  #publish(): Promise<void> {
    return this.#own.publish(frontendFields(frontendNode(this.#state)));
  }

  async #step(event: FrontendEvent): Promise<void> {
    const { state, actions } = stepFrontend(this.#state, event);
    this.#state = state;
    for (const action of actions) await this.#perform(action);
  }

  async #perform(action: FrontendAction): Promise<void> {
    const { incarnation } = action;
    if (action.kind === 'connected') this.#handlers.connected(incarnation);
    else if (action.kind === 'refused') this.#handlers.refused(incarnation, action.reason);
    else if (action.kind === 'withdraw') await this.#handlers.withdraw(incarnation, action.reason);
  }
}
