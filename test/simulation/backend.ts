/** The control domain: the back end's fast plane in one thread, and in another what moves private budgets. */
import { BudgetMover } from '../../src/agent/budget-mover.ts';
import type { BackendCall, BackendNotice } from '../../src/coordination/agent-protocol.ts';
import type { BackendPlane } from '../../src/coordination/backend-plane.ts';
import type { PairLimits } from '../../src/coordination/pair-limits.ts';
import { SOURCE_BACKEND, SOURCE_MAIN } from '../../src/coordination/sources.ts';
import { bytes } from '../../src/units.ts';
import { backoffMicros } from './invariants.ts';
import { Bell, Process, Thread } from './process.ts';
import type { World } from './world.ts';

const BEAT_MICROS = 100_000;
const TICK_MICROS = 100_000;

/** A front end's slow-plane connection: in order and without loss, for as long as both ends live. */
export interface Link {
  readonly domain: number;
  open: boolean;
  /** What the back end said in its welcome: the limit as the mover knows it. */
  welcome: { readonly budgetBytes: number | undefined; readonly epoch: number } | undefined;
  readonly toAgent: BackendNotice[];
  wakeAgent(): void;
  tell(call: BackendCall): void;
}

let lives = 0;

export class Backend {
  /** This life of the back end. */
  readonly epoch = ++lives;
  readonly process = new Process('back end');
  readonly world: World;
  readonly bell = new Bell();
  readonly planeThread: PlaneThread;
  readonly mainThread: MainThread;
  readonly links: (Link | undefined)[] = [];
  /** What the fast plane last said of itself. */
  readonly figures = { presentChunks: 0, freeChunks: 0, resized: 0 };
  #resizes = 0;

  constructor(world: World) {
    this.world = world;
    this.planeThread = new PlaneThread(this);
    this.mainThread = new MainThread(this);
    this.process.onDeath = () => {
      for (const link of this.links) {
        if (!link) continue;
        link.open = false;
        link.wakeAgent();
      }
    };
  }

  get plane(): BackendPlane | undefined {
    return this.planeThread.plane;
  }

  command(command: (plane: BackendPlane) => void): void {
    this.planeThread.commands.push(command);
    this.bell.ring(SOURCE_MAIN);
  }

  /** A command after which the arena has more memory, or less. */
  resize(command: (plane: BackendPlane) => void): void {
    this.#resizes++;
    this.command((plane) => {
      command(plane);
      this.planeThread.resized++;
    });
  }

  /** As `PlaneThread.isSettled` of the product. */
  get isSettled(): boolean {
    return this.plane !== undefined && this.figures.resized === this.#resizes;
  }

  /** @param limitBytes where its budget stands, of an agent that has had one from a back end. */
  connect(domain: number, limitBytes: number | undefined, wakeAgent: () => void): Link {
    const { calls } = this.mainThread;
    const tell = (call: BackendCall): void => void calls.push({ domain, call });
    const link: Link = { domain, open: true, welcome: undefined, toAgent: [], wakeAgent, tell };
    calls.push({ domain, call: 'hello', link, limitBytes });
    return link;
  }

  disconnect(link: Link): void {
    link.open = false;
    this.mainThread.calls.push({ domain: link.domain, call: 'close', link });
  }
}

type Call =
  | { readonly domain: number; readonly call: BackendCall }
  | { readonly domain: number; readonly call: 'hello'; readonly link: Link; readonly limitBytes: number | undefined }
  | { readonly domain: number; readonly call: 'close'; readonly link: Link };

class PlaneThread extends Thread {
  readonly commands: ((plane: BackendPlane) => void)[] = [];
  readonly #backend: Backend;
  plane: BackendPlane | undefined;
  resized = 0;
  /** What happened before, this step can know of. */
  stepBeganAt = 0;
  #beatAt = 0;

  constructor(backend: Backend) {
    super(backend.process, 'back end');
    this.#backend = backend;
  }

  override get rung(): boolean {
    return this.#backend.bell.rung;
  }

  override step(): void {
    const { world } = this.#backend;
    this.stepBeganAt = world.clock.monotonicMicros();
    if (!this.plane) {
      this.plane = this.#start();
      this.#publish(this.plane);
    }
    const { plane } = this;
    if (this.commands.length > 0) {
      for (const command of this.commands.splice(0)) command(plane);
      this.#publish(plane);
    }
    const wait = plane.poll(this.#backend.bell.collect());
    const now = world.clock.monotonicMicros();
    if (now >= this.#beatAt && world.looksRound) {
      this.#beatAt = now + BEAT_MICROS;
      plane.beat();
      this.#publish(plane);
    }
    for (const { wiretap } of world.domains) wiretap.listen();
    this.wakeAt = wait === 0 ? now : world.looksRound ? now + wait * 1000 : Number.POSITIVE_INFINITY;
  }

  #start(): BackendPlane {
    const { world } = this.#backend;
    const plane = world.makePlane({
      clock: world.clock,
      scrub: (offset, length) => world.memory.scrub(offset, length),
      ringFront: (pair) => {
        const agent = world.domains[pair]!.agent;
        if (!world.losesRing()) agent.bell.ring(SOURCE_BACKEND);
      },
    });
    plane.setMode(world.scenario.split ?? false, backoffMicros(world.scenario));
    for (const domain of world.domains) {
      plane.addPair(domain.id, domain.file, world.geometry, world.planeLimits(domain.limits));
    }
    return plane;
  }

  #publish({ books }: BackendPlane): void {
    const { figures } = this.#backend;
    figures.freeChunks = books.freeChunks;
    figures.presentChunks = books.presentChunks;
    figures.resized = this.resized;
  }
}

class MainThread extends Thread {
  readonly calls: Call[] = [];
  readonly #backend: Backend;
  readonly mover: BudgetMover | undefined;
  #tickAt = 0;

  constructor(backend: Backend) {
    super(backend.process, 'the back end’s main thread');
    this.#backend = backend;
    this.mover = this.#makeMover();
  }

  override get rung(): boolean {
    return this.calls.length > 0;
  }

  override step(): void {
    const { world } = this.#backend;
    for (let call = this.calls.shift(); call; call = this.calls.shift()) this.#serve(call);
    const now = world.clock.monotonicMicros();
    if (now >= this.#tickAt) {
      this.#tickAt = now + TICK_MICROS;
      this.mover?.tick();
      this.#writeLimits();
      // As the back end finds domains whose agent has died while it was away.
      for (const { name, agent } of world.domains) if (!agent.process.alive) this.mover?.giveUpOn(name);
      this.#offer();
    }
    this.wakeAt = this.#tickAt;
  }

  #serve(message: Call): void {
    const { links, world } = this.#backend;
    const { name } = world.domains[message.domain]!;
    if ('link' in message) {
      const { link } = message;
      if (message.call === 'hello') {
        links[message.domain] = link;
        link.welcome = { budgetBytes: this.mover?.limitOf(name), epoch: this.#backend.epoch };
        this.mover?.joined(name, message.limitBytes);
        link.wakeAgent();
      } else {
        if (links[message.domain] === link) links[message.domain] = undefined;
        this.mover?.forget(name);
      }
    } else if (message.call.op === 'report') this.mover?.report(name, message.call);
    else if (message.call.op === 'moved') this.mover?.moved(name, message.call);
  }

  /** As the product's agent writes them to a file, for a successor. */
  #writeLimits(): void {
    const { world } = this.#backend;
    for (const { name } of world.domains) {
      const limit = this.mover?.limitOf(name);
      if (limit !== undefined) world.limitsFile[name] = limit;
    }
  }

  /** Offers change with the tide; floors and ceilings are agreed. */
  #offer(): void {
    const { world } = this.#backend;
    if (world.scenario.steadyOffers === true || world.random.chance(0.9)) return;
    const domain = world.random.pick(world.domains);
    const offerChunks = world.random.below(Math.ceil((2 * world.geometry.chunkCount) / world.domains.length));
    const limits: PairLimits = { ...domain.limits, offerChunks };
    this.#backend.command((plane) => plane.setLimits(domain.id, world.planeLimits(limits)));
  }

  #makeMover(): BudgetMover | undefined {
    const { world } = this.#backend;
    const { budgets } = world.scenario;
    if (!budgets) return undefined;
    const backend = this.#backend;
    let lastGrant = 0;
    const idOf = (name: string): number => world.domains.findIndex((domain) => domain.name === name);
    return new BudgetMover({
      config: world.budgetConfig,
      total: bytes(world.budgetTotal),
      clock: world.clock,
      limits: world.limitsFile,
      awaited: world.steps > 0 ? world.domains.filter(({ agent }) => agent.process.alive).map(({ name }) => name) : [],
      onGrant: () => this.#writeLimits(),
      claimedBytes: () => 0, // the ceilings of arena and budget are held apart here
      onOutcome: (text) => world.note('the back end', `moves budgets: ${text}`),
      host: {
        chunkBytes: world.chunkBytes,
        get isSettled() {
          return backend.isSettled;
        },
        figure: (name) => backend.figures[name],
        tell: (name, notice) => {
          const link = backend.links[idOf(name)];
          // One that is told again is no second grant.
          if (notice.notice === 'budget' && notice.changeBytes > 0 && notice.id > lastGrant) {
            lastGrant = notice.id;
            world.invariants.checkGrant(idOf(name), notice.changeBytes);
          }
          if (!link?.open) return;
          if (!world.safeguards.confirmedOnly && notice.notice === 'budget' && notice.changeBytes < 0) {
            const limitBytes = this.mover!.limitOf(name)! + notice.changeBytes;
            const { id, changeBytes } = notice;
            this.calls.push({ domain: idOf(name), call: { op: 'moved', id, changeBytes, limitBytes } });
          }
          link.toAgent.push(notice);
          link.wakeAgent();
        },
        setPressured: (name, pressured) => backend.command((plane) => plane.setPressured(idOf(name), pressured)),
        punch: (chunks) => backend.resize((plane) => punch(backend, plane, chunks)),
        populate: (chunks) => backend.resize((plane) => populate(backend, plane, chunks)),
      },
    });
  }
}

/** As the fast plane's thread does it with the arena's file. */
function punch({ world }: Backend, { books }: BackendPlane, chunks: number): void {
  for (let left = chunks; left > 0; left--) {
    const chunk = books.removeFree();
    if (chunk < 0) return;
    world.memory.renew(chunk);
  }
}

function populate({ world }: Backend, { books }: BackendPlane, chunks: number): void {
  for (let left = chunks; left > 0; left--) {
    const chunk = books.nextAbsent();
    if (chunk < 0) return;
    world.memory.renew(chunk);
    books.addFree(chunk, true);
  }
}
