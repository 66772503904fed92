/** A domain: what outlives its agent (control file, budget, applications), and the agent itself. */
import { BudgetAnswers, type Moved } from '../../src/agent/budget-answers.ts';
import type { ControlFile } from '../../src/control/contracts.ts';
import { controlFileInMemory } from '../../src/control/control-file.ts';
import { FRONT, OP } from '../../src/control/layout.ts';
import { Ledger } from '../../src/control/ledger.ts';
import { type FrontendEffects, FrontendPlane } from '../../src/coordination/frontend-plane.ts';
import type { PairLimits } from '../../src/coordination/pair-limits.ts';
import { SessionTable } from '../../src/coordination/session-table.ts';
import { SOURCE_MAIN } from '../../src/coordination/sources.ts';
import type { Application } from './application.ts';
import type { Link } from './backend.ts';
import { Budget } from './budget.ts';
import { Bell, Process, Thread } from './process.ts';
import { Wiretap } from './wiretap.ts';
import type { World } from './world.ts';

const TICK_MICROS = 100_000;

export class Domain {
  readonly world: World;
  readonly id: number;
  readonly name: string;
  readonly limits: PairLimits;
  readonly file: ControlFile;
  readonly ledger: Ledger;
  readonly applications: Application[] = [];
  readonly budget: Budget;
  readonly wiretap: Wiretap;
  agent: Agent;

  constructor(world: World, id: number, limits: PairLimits) {
    this.world = world;
    this.id = id;
    this.name = `domain-${id}`;
    this.limits = limits;
    this.file = controlFileInMemory(world.geometry, id);
    this.ledger = new Ledger(this.file, world.geometry);
    this.file.words[FRONT.reserveTarget] = limits.floorChunks;
    this.budget = new Budget(world.scenario.budgets);
    this.wiretap = new Wiretap(
      this.file,
      this.name,
      (who, what) => world.note(who, what),
      (op, _, micros) => {
        if (op === OP.revoke) world.invariants.checkAsked(this, micros);
      },
    );
    this.agent = new Agent(this);
  }

  /** Nobody expects anything of it; others must not suffer from it. */
  get isHostile(): boolean {
    return this.id === 0 && this.world.scenario.faults.hostile !== undefined;
  }

  /** The kernel's word: the session's process lives, stopped or not. */
  isHeld(session: number): boolean {
    return this.applications.some(({ process, locked }) => process.alive && locked === session);
  }
}

export type SessionMessage = { readonly kind: 'hello' | 'ready' | 'closed'; readonly from: Application };

/** The agent of a domain: the front end's fast plane in one thread, sessions and budget in another. */
export class Agent {
  readonly process: Process;
  readonly domain: Domain;
  readonly bell = new Bell();
  readonly plane: PlaneThread;
  readonly main: MainThread;

  constructor(domain: Domain) {
    this.domain = domain;
    this.process = new Process(`the agent of ${domain.name}`);
    this.plane = new PlaneThread(this);
    this.main = new MainThread(this);
    this.process.onDeath = () => this.main.disconnect();
  }
}

class PlaneThread extends Thread {
  readonly #agent: Agent;
  plane: FrontendPlane | undefined;

  constructor(agent: Agent) {
    super(agent.process, `the front end of ${agent.domain.name}`);
    this.#agent = agent;
  }

  override get rung(): boolean {
    return this.#agent.bell.rung;
  }

  override step(): void {
    const { domain, bell } = this.#agent;
    const { world } = domain;
    this.plane ??= this.#start();
    const wait = this.plane.poll(bell.collect());
    domain.wiretap.listen();
    const now = world.clock.monotonicMicros();
    this.wakeAt = wait === 0 ? now : world.looksRound ? now + wait * 1000 : Number.POSITIVE_INFINITY;
  }

  #start(): FrontendPlane {
    const { domain } = this.#agent;
    const { world } = domain;
    const effects: FrontendEffects = {
      clock: world.clock,
      scrub: (offset, length) => world.memory.scrub(offset, length),
      wakeSession: (session) => domain.applications.find(({ locked }) => locked === session)?.woken(),
      ringBackend: () => {
        if (!world.losesRing()) world.backend.bell.ring(domain.id);
      },
    };
    const grants = world.safeguards.scrubsByBooks ? { owners: world.owners, pair: domain.id } : undefined;
    return new FrontendPlane(domain.file, world.geometry, effects, grants);
  }
}

class MainThread extends Thread {
  readonly inbox: SessionMessage[] = [];
  readonly #agent: Agent;
  readonly #connected = new Map<Application, number>();
  readonly #answers = new BudgetAnswers();
  #sessions: SessionTable | undefined;
  #link: Link | undefined;
  #notified = false;
  #joined = false;
  #welcomed = false;
  #tickAt = 0;
  #ticks = 0;

  constructor(agent: Agent) {
    super(agent.process, agent.process.name);
    this.#agent = agent;
  }

  override get rung(): boolean {
    return this.inbox.length > 0 || this.#notified;
  }

  override step(): void {
    // The fast plane first: it takes up what a predecessor left.
    if (!this.#agent.plane.plane) {
      this.wakeAt = this.#agent.domain.world.clock.monotonicMicros() + 100;
      return;
    }
    this.#sessions ??= this.#openSessions();
    for (let message = this.inbox.shift(); message; message = this.inbox.shift()) this.#serve(message, this.#sessions);
    this.#obeyBackend();
    const now = this.#agent.domain.world.clock.monotonicMicros();
    if (now >= this.#tickAt) {
      this.#tickAt = now + TICK_MICROS;
      this.#tick(this.#sessions);
    }
    this.wakeAt = this.#tickAt;
  }

  disconnect(): void {
    if (this.#link?.open) this.#agent.domain.world.backend.disconnect(this.#link);
    this.#link = undefined;
  }

  #openSessions(): SessionTable {
    const { domain, bell } = this.#agent;
    const { world } = domain;
    const sessions = new SessionTable(domain.file, world.geometry, {
      isHeld: (session) => world.believesAlive(domain, session),
      openWake: () => {},
      closeWake: () => {},
      ring: () => bell.ring(SOURCE_MAIN),
    });
    sessions.reapDead();
    return sessions;
  }

  #serve({ kind, from }: SessionMessage, sessions: SessionTable): void {
    if (kind === 'hello') {
      const session = this.#connected.get(from) ?? sessions.admit(1, new Set(this.#connected.values()));
      if (session === undefined || !from.process.alive) return;
      this.#connected.set(from, session);
      from.admitted(session);
    } else if (kind === 'ready') {
      const session = this.#connected.get(from);
      if (session !== undefined && sessions.activate(session)) from.activated();
    } else {
      this.#connected.delete(from);
      sessions.reapDead();
    }
  }

  #obeyBackend(): void {
    const { domain } = this.#agent;
    const { backend, random } = domain.world;
    this.#notified = false;
    if (this.#link && !this.#link.open) this.#link = undefined;
    if (!this.#link && backend.process.alive && random.chance(0.5)) {
      this.#welcomed = false;
      this.#link = backend.connect(domain.id, this.#joined ? domain.budget.limit : undefined, () => {
        this.#notified = true;
      });
    }
    if (!this.#link?.welcome) return;
    if (!this.#welcomed) {
      // A new agent begins where the back end last left its domain; one that was there already says where it is.
      if (!this.#joined) domain.budget.limit = this.#link.welcome.budgetBytes ?? domain.budget.limit;
      this.#joined = true;
      this.#welcomed = true;
      this.#answers.meet(this.#link.welcome.epoch);
      this.#link.tell(domain.budget.report(this.#answers.lastId));
    }
    const { toAgent } = this.#link;
    for (let notice = toAgent.shift(); notice; notice = toAgent.shift()) {
      if (notice.notice !== 'budget') continue;
      const moved = this.#answers.answer(notice.id, () => this.#move(notice.id, notice.changeBytes));
      if (moved) this.#link.tell(moved);
    }
  }

  #move(id: number, wantedBytes: number): Moved {
    const { domain } = this.#agent;
    const before = domain.budget.limit;
    domain.budget.move(wantedBytes);
    const changeBytes = domain.budget.limit - before;
    if (changeBytes !== 0) domain.world.tally.budgetMoves++;
    domain.world.note(this.name, `moves its budget by ${changeBytes} of ${wantedBytes} bytes`);
    return { op: 'moved', id, changeBytes, limitBytes: domain.budget.limit };
  }

  #tick(sessions: SessionTable): void {
    const { domain, bell } = this.#agent;
    const { random } = domain.world;
    this.#ticks++;
    domain.budget.live(random);
    if (this.#link?.open && this.#welcomed) this.#link.tell(domain.budget.report(this.#answers.lastId));
    if (this.#ticks % 10 === 0) sessions.reapDead();
    if (random.chance(0.2)) {
      // Never below the floor: what is held beyond the target goes back, and that is the domain's own will.
      const most = Math.ceil((2 * domain.world.geometry.chunkCount) / domain.world.domains.length);
      const target = domain.world.calm ? domain.limits.floorChunks : domain.limits.floorChunks + random.below(most);
      Atomics.store(domain.file.words, FRONT.reserveTarget, target);
      bell.ring(SOURCE_MAIN);
    }
  }
}
