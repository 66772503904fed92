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
  /** If it rejects, another offer is made after a while. */
  connected(incarnation: number): void | Promise<void>;
  /** The offer is over: end its grants, close its channel. */
  withdraw(incarnation: number, reason: string): void | Promise<void>;
  /** Another offer is made after a while; it is told again when the reason is another one. */
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
  /** How long a back end may take to let go of an offer. */
  readonly closeMillis?: number;
  /** Until an offer that came to nothing is made again: twice as long each time. */
  readonly againMillis?: { readonly first: number; readonly largest: number };
}

const CLOSE_MILLIS = 2000;
const AGAIN_MILLIS = { first: 500, largest: 60_000 };

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
  readonly #closeMillis: number;
  readonly #againMillis: { readonly first: number; readonly largest: number };
  /** Offers that came to nothing, since one was of use. */
  #failures = 0;
  #again: NodeJS.Timeout | undefined;
  /** The offer that is to be made again. */
  #stale: number | undefined;
  #toldRefusal: string | undefined;

  constructor({ store, domid, backendDomid = 0, incarnation, handlers, turns, ...times }: FrontendDiscoveryOptions) {
    this.#closeMillis = times.closeMillis ?? CLOSE_MILLIS;
    this.#againMillis = times.againMillis ?? AGAIN_MILLIS;
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

  /** Withdraws, once the back end has let go or after two seconds, whether or not xenstored is there. */
  async close(): Promise<void> {
    let patience: NodeJS.Timeout | undefined;
    const letGo = await new Promise<boolean>((resolve) => {
      this.#closed = () => resolve(true);
      patience = setTimeout(() => resolve(false), this.#closeMillis);
      this.#isClosing = true;
      this.#turns.ask();
    });
    clearTimeout(patience);
    const stopped = this.stop();
    if (letGo) return await stopped;
    // A turn may be waiting for xenstored, for longer than anybody wants to: it finds all of it closed.
    stopped.catch((error) => this.#handlers.problem(error));
    await this.#step({ kind: 'abandon' });
  }

  /** Looks and writes no more, and leaves the node as it is. */
  async stop(): Promise<void> {
    clearTimeout(this.#again);
    await this.#turns.stop();
    await this.#watch?.close();
  }

  async #turn(): Promise<void> {
    if (this.#isClosing) await this.#step({ kind: 'close' });
    if (this.#stale !== undefined) await this.#step({ kind: 'again', incarnation: this.#stale });
    this.#stale = undefined;
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
    if (action.kind === 'connected') void this.#connected(incarnation);
    else if (action.kind === 'refused') this.#refused(incarnation, action.reason);
    else if (action.kind === 'withdraw') await this.#handlers.withdraw(incarnation, action.reason);
  }

  async #connected(incarnation: number): Promise<void> {
    try {
      await this.#handlers.connected(incarnation);
      this.#failures = 0;
      this.#toldRefusal = undefined;
    } catch (error) {
      this.#handlers.problem(error);
      this.#offerAgain(incarnation);
    }
  }

  #refused(incarnation: number, reason: string): void {
    if (reason !== this.#toldRefusal) this.#handlers.refused(incarnation, reason);
    this.#toldRefusal = reason;
    this.#offerAgain(incarnation);
  }

  /** What was in the way, such as a lack of memory, may be over then. */
  #offerAgain(incarnation: number): void {
    if (this.#isClosing) return;
    const { first, largest } = this.#againMillis;
    clearTimeout(this.#again);
    this.#again = setTimeout(
      () => {
        this.#stale = incarnation;
        this.#turns.ask();
      },
      Math.min(largest, first * 2 ** this.#failures++),
    );
  }
}
