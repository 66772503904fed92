/**
 * The whole machine in one process: the product's planes, sessions, ledger and budget mover on control files in memory,
 * under a virtual clock and a scheduler that is the adversary. It chooses by seed who steps next, cuts steps in their
 * middle to let others go first, and makes things go wrong as its scenario says.
 */
import { VirtualClock } from '../../src/clock.ts';
import { checkConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Geometry } from '../../src/control/layout.ts';
import { ownersInMemory } from '../../src/control/owner-table.ts';
import { type BackendEffects, BackendPlane } from '../../src/coordination/backend-plane.ts';
import type { PairLimits } from '../../src/coordination/pair-limits.ts';
import { MIB } from '../../src/units.ts';
import { Application } from './application.ts';
import { Backend } from './backend.ts';
import { BelievingBooks, WatchedBooks } from './books.ts';
import { cutAfter, withCuts } from './cuts.ts';
import { Domain } from './domain.ts';
import { FaultInjector } from './fault-injector.ts';
import { History } from './history.ts';
import { Invariants } from './invariants.ts';
import { TaggedMemory } from './memory.ts';
import { Killed, type Process, type Thread } from './process.ts';
import { Random } from './random.ts';
import { ALL_SAFEGUARDS, type Safeguards, type Scenario } from './scenario.ts';

/** The longest of a step, of which the clock knows only this. */
const STEP_MICROS = 20;
/** How deep steps are cut into each other. */
const DEEPEST = 3;
/** A cut comes after 1 to so many atomic operations; most steps have fewer than the largest. */
const FARTHEST_CUT = 600;

export class World {
  readonly scenario: Scenario;
  readonly safeguards: Safeguards;
  readonly random: Random;
  readonly clock = new VirtualClock(1_000_000);
  readonly history = new History();
  readonly memory: TaggedMemory;
  /** The back end's books: they outlive it. */
  readonly owners;
  /** What a back end leaves its successor about the domains' budgets. */
  readonly limitsFile: Record<string, number> = {};
  readonly domains: Domain[] = [];
  readonly faults: FaultInjector;
  readonly invariants: Invariants;
  backend: Backend;
  steps = 0;
  /** How much of what a run is about took place. */
  readonly tally = {
    claims: 0,
    given: 0,
    refused: 0,
    deaths: 0,
    deathsInMidMove: 0,
    stops: 0,
    cuts: 0,
    budgetMoves: 0,
  };
  /** The faults are over: everybody goes home. */
  calm = false;
  /** Until then something is wrong with all of it. */
  disturbedUntil = 0;
  #threads: Thread[] = [];
  readonly #stack: Thread[] = [];
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #lastTag = 0;
  #lastStep = 0;

  constructor(scenario: Scenario, seed: number, safeguards: Safeguards = ALL_SAFEGUARDS) {
    this.scenario = scenario;
    this.safeguards = safeguards;
    this.random = new Random(seed);
    this.memory = new TaggedMemory(scenario.geometry);
    this.memory.scrubbing = safeguards.scrubbing;
    this.owners = ownersInMemory(scenario.geometry.chunkCount);
    for (let id = 0; id < scenario.domains; id++) this.domains.push(new Domain(this, id, scenario.limits));
    this.backend = new Backend(this);
    this.backend.resize(({ books }) => {
      for (let chunk = 0; chunk < scenario.presentChunks; chunk++) books.addFree(chunk, true);
    });
    for (const domain of this.domains) {
      for (let count = 0; count < scenario.applications; count++) this.startApplication(domain);
    }
    this.faults = new FaultInjector(this);
    this.invariants = new Invariants(this);
    this.gatherThreads();
  }

  get geometry(): Geometry {
    return this.scenario.geometry;
  }

  get chunkBytes(): number {
    return 2 ** this.geometry.chunkShift;
  }

  get now(): number {
    return this.clock.monotonicMicros();
  }

  get looksRound(): boolean {
    return this.safeguards.looksRound;
  }

  /** Whether a thread of the process is in the middle of a step. */
  isBusy(process: Process): boolean {
    return this.#stack.some((thread) => thread.process === process);
  }

  /** Runs to `steps` steps, then lets everybody go home and looks at what is left. @throws Violation */
  run(steps: number): void {
    withCuts(
      () => this.#cut(),
      () => {
        this.#lastStep = steps;
        while (this.steps < steps) this.#turn();
        this.calm = true;
        this.faults.end();
        for (const domain of this.domains) if (domain.isHostile) this.#startAnew(domain);
        this.#lastStep = Number.POSITIVE_INFINITY;
        const end = this.now + this.invariants.calmMicros;
        while (this.now < end) this.#turn();
        this.invariants.checkEnd();
      },
    );
  }

  note(who: string, what: string): void {
    this.history.note(this.now, who, what);
  }

  makePlane(effects: BackendEffects): BackendPlane {
    const Books = this.safeguards.privateBooks ? WatchedBooks : BelievingBooks;
    return new BackendPlane(this.geometry, effects, new Books(this));
  }

  /** What the planes are told of a domain's limits. */
  planeLimits(limits: PairLimits): PairLimits {
    return {
      ...limits,
      floorChunks: this.safeguards.floors ? limits.floorChunks : 0,
      ceilingChunks: this.safeguards.ceilings ? limits.ceilingChunks : this.geometry.chunkCount,
    };
  }

  believesAlive(domain: Domain, session: number): boolean {
    if (!domain.isHeld(session)) return false;
    if (this.safeguards.proofOfDeath) return true;
    const application = domain.applications.find(({ locked }) => locked === session);
    return application!.process.stoppedUntil <= this.now;
  }

  losesRing(): boolean {
    const { lostRing } = this.scenario.faults;
    return lostRing !== undefined && !this.calm && this.random.chance(lostRing);
  }

  startApplication(domain: Domain): void {
    const { stuck = 0, intermittent = 0 } = this.scenario.faults;
    const draw = this.random.next();
    const temper = draw < stuck ? 'stuck' : draw < stuck + intermittent ? 'intermittent' : 'yields';
    domain.applications.push(new Application(domain, ++this.#lastTag, temper));
    if (domain.isHostile) this.memory.hostileTags.add(this.#lastTag);
    this.gatherThreads();
  }

  /** The successor of a back end that was killed. */
  startBackend(): void {
    for (const { wiretap } of this.domains) wiretap.listen(); // the last that its predecessor has said
    this.backend = new Backend(this);
    this.invariants.meetNewBackend();
    this.backend.process.disturbedUntil = this.now;
    this.note(this.backend.process.name, 'starts again');
    this.gatherThreads();
  }

  /** All who may be scheduled; anew whenever a process starts or ends. */
  gatherThreads(): void {
    const processes = [
      this.backend.process,
      ...this.domains.flatMap(({ agent, applications }) => [
        agent.process,
        ...applications.map(({ process }) => process),
      ]),
    ];
    this.#threads = processes.filter(({ alive }) => alive).flatMap(({ threads }) => threads);
  }

  after(micros: number, run: () => void): void {
    this.#timers.push({ at: this.now + micros, run });
  }

  /** Those who lived through their domain's hostility end; who comes then is served as ever. */
  #startAnew(domain: Domain): void {
    for (const { process } of [...domain.applications]) this.faults.kill(process);
  }

  #turn(): void {
    this.#runTimers();
    if (!this.calm) this.faults.turn();
    const thread = this.#pick();
    if (!thread) {
      this.#sleep();
      return;
    }
    this.#step(thread);
    this.clock.advanceMicros(this.random.below(STEP_MICROS));
    this.invariants.check();
  }

  #runTimers(): void {
    if (this.#timers.length === 0) return;
    const { now } = this;
    const due = this.#timers.filter(({ at }) => at <= now);
    if (due.length === 0) return;
    this.#timers = this.#timers.filter(({ at }) => at > now);
    for (const { run } of due) run();
  }

  /** Anybody who has something to do, slow ones less often. */
  #pick(): Thread | undefined {
    const { now } = this;
    const count = this.#threads.length;
    const start = this.random.below(count);
    for (let step = 0; step < count; step++) {
      const thread = this.#threads[(start + step) % count]!;
      if (thread.dueAt(now) > now) continue;
      const { speed } = thread.process;
      if (speed === 1 || this.random.chance(speed)) return thread;
    }
    return undefined;
  }

  /** Nobody wants to do anything: the clock goes on to when somebody will. */
  #sleep(): void {
    const { now } = this;
    let next = now + 1_000_000;
    for (const thread of this.#threads) next = Math.min(next, thread.dueAt(now));
    for (const { at } of this.#timers) next = Math.min(next, at);
    this.clock.advanceMicros(Math.max(next - now, 100));
    this.steps++;
  }

  #step(thread: Thread): void {
    this.steps++;
    this.#stack.push(thread);
    thread.busy = true;
    const before = cutAfter(this.#drawCut(thread));
    try {
      thread.step();
    } catch (error) {
      if (!(error instanceof Killed) || thread.process.alive) throw error;
    } finally {
      cutAfter(before);
      thread.busy = false;
      this.#stack.pop();
    }
  }

  #drawCut(thread: Thread): number {
    // No memory is protected from a domain that takes back what its own application is just claiming (decisions/0004).
    if (thread instanceof Application && thread.isHostile) return 0;
    return this.random.chance(this.scenario.cuts) ? this.random.spread(1, FARTHEST_CUT) : 0;
  }

  /** In the middle of a step, before an atomic operation. */
  #cut(): void {
    const { process } = this.#stack.at(-1)!;
    this.tally.cuts++;
    const outermost = this.#stack.length === 1;
    const { deadInMidMove = 0, stoppedInMidMove = 0 } = this.calm ? {} : this.scenario.faults;
    const draw = this.random.next();
    if (draw < deadInMidMove && this.faults.kill(process)) {
      this.tally.deathsInMidMove++;
      this.note(process.name, 'dies in mid-move');
    } else if (draw < deadInMidMove + stoppedInMidMove && outermost) {
      this.faults.stop(process);
      this.note(process.name, `is stopped in mid-move until ${process.stoppedUntil / 1000} ms`);
      while (this.now < process.stoppedUntil && this.steps < this.#lastStep && process.alive) this.#turn();
    } else if (this.#stack.length < DEEPEST) this.#letOthersGo();
    if (!process.alive) throw new Killed();
    cutAfter(this.#drawCut(this.#stack.at(-1)!));
  }

  #letOthersGo(): void {
    for (let others = this.random.between(1, 3); others > 0; others--) {
      const thread = this.#pick();
      if (!thread) return;
      this.#step(thread);
      this.invariants.check();
    }
  }

  /** As the mover is configured: without brakes it has none, though the invariants know of them. */
  get budgetConfig(): Pick<Config, 'policy' | 'domains'> {
    const { budgets } = this.scenario;
    return checkConfig({
      total_mib: 3072,
      policy: this.safeguards.brakes ? BRAKES : { step_cap_mib: 4096, token_burst_mib: 8192, tokens_mib_per_s: 8192 },
      domains: this.domains.map(({ id }) => ({
        name: `domain-${id}`,
        floor_mib: budgets!.floorMib,
        ceiling_mib: budgets!.ceilingMib,
        budget_mib: budgets!.startMib,
      })),
    });
  }

  get budgetTotal(): number {
    const { budgets, presentChunks } = this.scenario;
    return this.domains.length * (budgets?.startMib ?? 0) * MIB + presentChunks * this.chunkBytes;
  }
}

export const BRAKES = { step_cap_mib: 16, token_burst_mib: 32, tokens_mib_per_s: 32 } as const;
