/**
 * Lends memory of dom0 to the applications of guests under Xen. dom0 owns all of it, since guests share with dom0 only; a
 * part is granted to each guest and mapped there ahead of need, and what nobody uses goes from guest to guest in the
 * background. A lease from what is granted concerns nobody but the guest. See src/decisions/0024.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FifoRinger } from '../control/fifo-bell.ts';
import { BLOCK_SHIFT, type Geometry, STATE } from '../control/layout.ts';
import { errorMessage, MemtideError } from '../errors.ts';
import { type Lendable, type LentStep, type LentTo, shareLent } from '../policy/lent-shares.ts';
import type { Mode } from '../records.ts';
import { formatBytes } from '../units.ts';
import { BackendDiscovery } from '../xen/backend-discovery.ts';
import type { Offer } from '../xen/discovery-nodes.ts';
import { GuestWatch, XenDomains } from '../xen/domains.ts';
import { raiseGrantLimits } from '../xen/grant-limits.ts';
import { GrantTable } from '../xen/grant-table.ts';
import { OwedMemory, type WithdrawnGrants } from '../xen/owed-memory.ts';
import { XEN_PAGE_BYTES } from '../xen/page-size.ts';
import type { Xenstore } from '../xen/xenstore/xenstore.ts';
import { makeFifo } from './fifo-file.ts';
import { LentGuest } from './lent-guest.ts';
import type { ConstructReport, PlaneScheduling } from './plane-constructs.ts';
import { PLANE_FIGURES, PlaneThread } from './plane-thread.ts';
import { ensurePrivateDirectory } from './run-files.ts';
import { SOURCE_MAIN } from './sources.ts';

const TICK_MILLIS = 250;
/** Chunks granted or ended in one tick: one of 2 MiB takes some milliseconds, and this thread has other work. */
const GRANTS_A_TICK = 4;
/** What a guest has not let go of after so long counts as stuck. */
const STUCK_MILLIS = 5000;
/** For how long guests are waited for when this lender ends. */
const LETTING_GO_MILLIS = 2000;

export interface GrantLenderOptions {
  readonly store: Xenstore;
  readonly runDir: string;
  readonly arenaBytes: number;
  readonly chunkBytes: number;
  /** The guests that are lent to, by the names that the toolstack knows, and the most that each may have. */
  readonly guests: ReadonlyArray<{ readonly name: string; readonly ceilingBytes: number }>;
  readonly scheduling: PlaneScheduling;
  readonly mode: Mode;
  readonly stuckBackoffMillis: number;
  /** A guest's agent has been let in, or is there no more, and why. */
  readonly onGuest: (name: string, connected: boolean, reason?: string) => void;
  readonly onProblem: (problem: string) => void;
  /** The fast plane has failed: nothing is lent from here on, and `stop` is to be called. */
  readonly onFailure: (error: Error) => void;
}

/** A domain that may be lent to. */
interface Known {
  readonly name: string;
  readonly discovery: BackendDiscovery;
}

export class GrantLender {
  readonly #options: GrantLenderOptions;
  readonly #geometry: Geometry;
  /** One life of this lender, for guests to tell it from the next. */
  readonly #incarnation = 1 + Math.floor(Math.random() * (2 ** 31 - 1));
  /** By Xen's number of the domain. */
  readonly #known = new Map<number, Known>();
  readonly #guests = new Map<string, LentGuest>();
  readonly #replies = new Map<number, (problem: string | undefined) => void>();
  readonly #counts = new Int32Array(16);
  readonly #domains: XenDomains;
  readonly #watch: GuestWatch;
  #plane!: PlaneThread;
  #timer: NodeJS.Timeout | undefined;
  #undoLimits: () => void = () => {};
  readonly #total: number;
  #owed!: OwedMemory;
  #mode: Mode;
  /** Of each guest of the options, in bytes. */
  readonly #ceilings: number[];
  /** Guests come and go one after the other: two may have one name, and so one place in the fast plane. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Why the fast plane is no more. */
  #failure: string | undefined;
  /** That nothing more can be granted has been told. */
  #toldNoPages = false;
  /** Kinds of trouble of the ticks that have been told. */
  readonly #told = new Set<string>();

  constructor(options: GrantLenderOptions) {
    const { arenaBytes, chunkBytes, store } = options;
    this.#options = options;
    this.#mode = options.mode;
    this.#ceilings = options.guests.map(({ ceilingBytes }) => ceilingBytes);
    this.#total = Math.floor(arenaBytes / chunkBytes);
    this.#geometry = { chunkCount: this.#total, chunkShift: Math.log2(chunkBytes), blockShift: BLOCK_SHIFT };
    this.#domains = new XenDomains(store);
    this.#watch = new GuestWatch(store, {
      appeared: (domid) => this.#appeared(domid),
      gone: (domid) => this.#gone(domid),
      problem: (error) => options.onProblem(errorMessage(error)),
    });
  }

  /** @throws MemtideError where the limit of granted pages cannot be set, or xenstored refuses the watch. */
  async start(): Promise<void> {
    const { runDir, scheduling, mode, chunkBytes } = this.#options;
    const table = new GrantTable();
    this.#owed = new OwedMemory(table);
    this.#undoLimits = raiseGrantLimits((this.#total * chunkBytes) / XEN_PAGE_BYTES, table);
    ensurePrivateDirectory(runDir);
    const bell = path.join(runDir, 'lender.bell');
    makeFifo(bell);
    const ringer = new FifoRinger(bell);
    this.#plane = new PlaneThread(
      {
        role: 'lender',
        bell,
        geometry: this.#geometry,
        scheduling,
        split: mode === 'split',
        stuckBackoffMicros: this.#stuckBackoffMicros,
      },
      () => ringer.ring(SOURCE_MAIN),
    );
    await this.#plane.start();
    this.#plane.onFailure((error) => this.#failed(error));
    this.#plane.onGuest((message) => {
      if ('died' in message) this.#died(message.died);
      else this.#replies.get(message.guest)?.(message.problem);
    });
    this.#timer = setInterval(() => this.#attempt(() => this.#tick()), TICK_MILLIS);
    try {
      await this.#watch.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#watch.stop();
    for (const { name, discovery } of this.#known.values()) {
      await discovery.close().catch((error) => this.#options.onProblem(`guest ${name}: ${errorMessage(error)}`));
    }
    await this.#plane?.stop();
    await this.#collectOwed();
    this.#undoLimits();
  }

  /** Of all guests, from now on: `split` takes back what is offered. */
  setMode(mode: Mode): void {
    this.#mode = mode;
    this.#plane.send({ kind: 'mode', split: mode === 'split', stuckBackoffMicros: this.#stuckBackoffMicros });
  }

  /** What a guest has above its ceiling is withdrawn as it comes free. A name that is not lent to changes nothing. */
  setCeiling(name: string, ceilingBytes: number): void {
    const id = this.#options.guests.findIndex((guest) => guest.name === name);
    if (id >= 0) this.#ceilings[id] = ceilingBytes;
  }

  /** The fast plane's scheduler constructs, as found in force. */
  get constructs(): readonly ConstructReport[] {
    return this.#plane.constructs;
  }

  status(): Record<string, unknown> {
    const bytes = (chunks: number): number => chunks * this.#options.chunkBytes;
    return {
      arena_bytes: bytes(this.#total),
      owed_bytes: bytes(this.#owed.count),
      stuck_bytes: bytes(this.#lendable.stuck),
      guests: [...this.#guests.values()].map((guest) => {
        guest.ledger.countAll(this.#counts);
        const of = (state: number): number => bytes(this.#counts[state] as number);
        return {
          name: guest.name,
          domid: guest.domid,
          granted_bytes: bytes(guest.part.chunks),
          offered_bytes: of(STATE.offered),
          reserve_bytes: of(STATE.reserved) + of(STATE.scrubbing) + of(STATE.dirty),
          /** Of the reserve, what is still to be zeroed; and what is on its way back. */
          unscrubbed_bytes: of(STATE.scrubbing) + of(STATE.dirty) + of(STATE.returning),
          leased_bytes: of(STATE.leased) + of(STATE.leasedRevocable) + of(STATE.split) + of(STATE.splitting),
          violations: this.#plane.violationsOf(guest.id),
        };
      }),
      fast_plane: this.#plane.constructs,
      figures: Object.fromEntries(PLANE_FIGURES.map((name) => [name, this.#plane.figure(name)])),
    };
  }

  get #lendable(): Lendable {
    const stuck = this.#owed.owedFor(STUCK_MILLIS, performance.now());
    return { total: this.#total, owed: this.#owed.count, stuck };
  }

  get #stuckBackoffMicros(): number {
    return this.#options.stuckBackoffMillis * 1000;
  }

  async #appeared(domid: number): Promise<void> {
    const name = await this.#domains.name(domid);
    const id = this.#options.guests.findIndex((guest) => guest.name === name);
    if (name === undefined || id < 0) return;
    const discovery = new BackendDiscovery({
      store: this.#options.store,
      frontendDomid: domid,
      incarnation: this.#incarnation,
      arena: this.#geometry,
      handlers: {
        connect: (frontend, offer) => this.#inTurn(() => this.#connect({ id, name, domid, frontend, offer })),
        connected: () => this.#options.onGuest(name, true),
        disconnect: (frontend, reason) => this.#inTurn(() => this.#disconnect(name, domid, frontend, reason)),
        problem: (error) => this.#options.onProblem(`guest ${name}: ${errorMessage(error)}`),
      },
    });
    this.#known.set(domid, { name, discovery });
    try {
      await discovery.start();
    } catch (error) {
      this.#known.delete(domid); // it will have appeared again
      throw error;
    }
  }

  /** Guests have been told, and let go of what nobody uses. */
  async #collectOwed(): Promise<void> {
    const until = performance.now() + LETTING_GO_MILLIS;
    while (this.#owed.count > 0 && performance.now() < until) {
      const before = this.#owed.count;
      this.#attempt(() => this.#owed.settle(before));
      if (this.#owed.count === before) await sleep(20);
    }
    this.#attempt(() => this.#owed.endAll());
  }

  /** Xen has taken all its mappings away: what it had not let go of is free now. */
  async #gone(domid: number): Promise<void> {
    await this.#known.get(domid)?.discovery.close({ gone: true });
    this.#known.delete(domid);
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #connect(who: { id: number; name: string; domid: number; frontend: number; offer: Offer }): Promise<void> {
    const { name, domid } = who;
    // A guest that ends and its successor are both there for a while: the youngest is meant.
    for (const [other, known] of this.#known) {
      if (known.name !== name || other <= domid) continue;
      throw this.#refusal(name, `domain ${other} has that name, and is younger than domain ${domid}`);
    }
    const before = this.#guests.get(name);
    if (before) {
      const reason = `domain ${domid} has its name now`;
      await this.#letGo(before, reason);
      this.#known.get(before.domid)?.discovery.died(before.frontend, reason);
    }
    const guest = new LentGuest({ ...who, geometry: this.#geometry });
    const problem = await this.#tell(guest.command);
    if (problem === undefined) {
      this.#guests.set(name, guest);
      return;
    }
    guest.close();
    throw this.#refusal(name, problem);
  }

  #refusal(guest: string, actual: string): MemtideError {
    return new MemtideError({ operation: 'lend to a guest', object: guest, actual });
  }

  async #disconnect(name: string, domid: number, frontend: number, reason: string): Promise<void> {
    const guest = this.#guests.get(name);
    if (guest?.domid === domid && guest.frontend === frontend) await this.#letGo(guest, reason);
  }

  async #letGo(guest: LentGuest, reason: string): Promise<void> {
    this.#guests.delete(guest.name);
    await this.#tell({ kind: 'guest-gone', id: guest.id });
    this.#owes(guest.close());
    this.#options.onGuest(guest.name, false, reason);
  }

  /** Says something of a guest to the fast plane. @returns what went wrong. */
  #tell(
    command: LentGuest['command'] | { readonly kind: 'guest-gone'; readonly id: number },
  ): Promise<string | undefined> {
    if (this.#failure !== undefined) return Promise.resolve(this.#failure);
    return new Promise((resolve) => {
      this.#replies.set(command.id, resolve);
      this.#plane.send(command);
    });
  }

  /** Nobody answers any more. */
  #failed(error: Error): void {
    this.#failure = `the fast plane that lends to guests has failed: ${error.message}`;
    clearInterval(this.#timer);
    for (const reply of this.#replies.values()) reply(this.#failure);
    this.#options.onFailure(error);
  }

  #died(id: number): void {
    const guest = [...this.#guests.values()].find((each) => each.id === id);
    if (guest) this.#known.get(guest.domid)?.discovery.died(guest.frontend, 'its agent has ended');
  }

  #owes(withdrawn: readonly WithdrawnGrants[]): void {
    for (const grants of withdrawn) this.#owed.add(grants, performance.now());
  }

  /** What a tick could not do, the next one tries again: of each kind of trouble the first is told. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      const { operation, actual } = error instanceof MemtideError ? error.detail : { actual: errorMessage(error) };
      const kind = `${operation}: ${actual}`;
      if (!this.#told.has(kind)) this.#options.onProblem(errorMessage(error));
      this.#told.add(kind);
    }
  }

  /** Moves what nobody uses towards equal shares, a little at a time. */
  #tick(): void {
    if (!this.#plane.isSettled) return; // the books are about to change
    const guests = [...this.#guests.values()];
    for (const guest of guests) this.#owes(guest.part.takeBack());
    this.#attempt(() => this.#owed.settle(GRANTS_A_TICK));
    const lent = guests.map((guest) => ({
      granted: guest.part.chunks,
      held: this.#held(guest),
      ceiling: this.#ceiling(guest),
    }));
    const steps = shareLent(this.#lendable, lent, GRANTS_A_TICK);
    for (const [at, guest] of guests.entries()) this.#attempt(() => this.#move(guest, lent[at]!, steps[at]!));
  }

  #move(guest: LentGuest, { granted, held, ceiling }: LentTo, { withdraw, grant }: LentStep): void {
    // Offers are the plane's to withdraw; only then can dom0 have the memory.
    const offerChunks = this.#mode === 'split' ? 0 : Math.max(0, granted - withdraw - held);
    const limits = { floorChunks: 0, ceilingChunks: ceiling, offerChunks };
    if (offerChunks !== guest.limits.offerChunks || ceiling !== guest.limits.ceilingChunks) {
      guest.limits = limits;
      this.#plane.send({ kind: 'limits', id: guest.id, limits });
    }
    const count = Math.min(withdraw, guest.freeChunks);
    if (count > 0) this.#plane.send({ kind: 'withdraw', id: guest.id, count });
    for (let left = grant; left > 0 && this.#grant(guest); left--);
  }

  /** @returns whether there may be more. */
  #grant(guest: LentGuest): boolean {
    const result = guest.part.grant();
    if (result.ok) {
      this.#toldNoPages = false;
      this.#plane.send({ kind: 'granted', id: guest.id, chunk: result.chunk });
      return true;
    }
    // Others in dom0 use the same limits, and its memory.
    if (result.why === 'no-pages' && !this.#toldNoPages) {
      this.#toldNoPages = true;
      const granted = [...this.#guests.values()].reduce((sum, { part }) => sum + part.chunks, 0);
      const bytes = formatBytes((granted + this.#owed.count) * this.#options.chunkBytes);
      this.#options.onProblem(`only ${bytes} can be lent now: ${errorMessage(result.error)}`);
    }
    return false;
  }

  #ceiling({ id }: LentGuest): number {
    return Math.min(this.#total, Math.floor(this.#ceilings[id]! / this.#options.chunkBytes));
  }

  #held(guest: LentGuest): number {
    guest.ledger.countAll(this.#counts);
    const all = this.#counts.reduce((sum, chunks) => sum + chunks, 0);
    const idle = (this.#counts[STATE.none] as number) + (this.#counts[STATE.offered] as number);
    return Math.min(guest.part.chunks, all - idle);
  }
}
