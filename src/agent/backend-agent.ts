import os from 'node:os';
import { systemClock } from '../clock.ts';
import { crossChecks } from '../config/cross-checks.ts';
import { showPath } from '../config/path-text.ts';
import type { Config, DomainConfig } from '../config/schema.ts';
import { governedBytes, privateFloorMib } from '../config/total.ts';
import { STATE } from '../control/layout.ts';
import type { BackendCall, BackendNotice } from '../coordination/agent-protocol.ts';
import { leftArena } from '../coordination/arena-info.ts';
import { BackendService } from '../coordination/backend-service.ts';
import type { MqttLinkServer } from '../coordination/mqtt-link-server.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { type BurstInterval, jointNeedOfBursts } from '../policy/joint-need.ts';
import { type Sizing, sizeIdle } from '../policy/sizing.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import type { Mode } from '../records.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { type Bytes, bytes, MIB, mebibytes } from '../units.ts';
import { arenaLog, arenaStatus, sizingStatus } from './arena-status.ts';
import type { CommandedBackend, DomainLimits } from './backend-commands.ts';
import { readBudgets, writeBudgets } from './budget-file.ts';
import { budgetHostOf } from './budget-host.ts';
import { BudgetMover } from './budget-mover.ts';
import { Changes } from './changes.ts';
import { BACKEND_NAME, TelemetryPort } from './coordination.ts';
import type { Log } from './log.ts';
import { remoteDomains } from './remote-domains.ts';
import { logRefusals, schedulingOf } from './settings.ts';
import { arenaLimits, arenaSize, type Claimant, shareOffers } from './shares.ts';
import { VERSION } from './version.ts';
import { XenGuests } from './xen-guests.ts';

const TICK_MILLIS = 100;
/** Ticks between two looks after domains that have gone. */
const SLOW_TICKS = 10;
/** Sizing is worth milliseconds, and changes slowly: every five seconds. */
const SIZING_TICKS = 50;
/** Bursts that sizing looks back on. */
const HISTORY = 100;
/** A burst's memory is needed for longer than its allocation takes; until its end is told, it counts for this long. */
const BURST_LIFE_MICROS = 1_000_000;
/** Of a domain that gets no offers. */
const NO_CLAIM: Claimant = { heldChunks: 0, floorChunks: 0, weight: 0 };

/**
 * The agent of the control domain: owns the arena, lets the domains' agents in, divides the pool into offers, moves
 * private budgets between domains, and hosts the broker.
 */
export class BackendAgent implements CommandedBackend {
  readonly #config: Config;
  readonly #runDir: string;
  readonly #log: Log;
  readonly #stopped: () => void;
  /** As configured, and as commanded since. */
  readonly #domains: DomainConfig[];
  /** Domains whose agent has joined and has yet to hear its limits: it may have others from the last back end. */
  readonly #unheard = new Set<string>();
  readonly #counts = new Int32Array(16);
  /** Chunks of each domain as of the last tick: offered to it, and held by it. */
  readonly #offered: Int32Array;
  readonly #claimed: Int32Array;
  readonly #told = new Changes();
  readonly #history: BurstInterval[] = [];
  #service!: BackendService;
  #mover!: BudgetMover;
  #telemetry!: Telemetry;
  readonly #port = new TelemetryPort();
  #moreStatus: () => Record<string, unknown> = () => ({});
  #remote: MqttLinkServer | undefined;
  #reporter: Reporter | undefined;
  #guests: XenGuests | undefined;
  #sizing: Sizing | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ticks = 0;
  #total: Bytes = bytes(0);

  constructor(options: {
    readonly config: Config;
    readonly runDir: string;
    readonly log: Log;
    readonly stopped: () => void;
    readonly moreStatus?: () => Record<string, unknown>;
  }) {
    this.#config = options.config;
    if (options.moreStatus) this.#moreStatus = options.moreStatus;
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#stopped = options.stopped;
    this.#domains = [...options.config.domains];
    this.#offered = new Int32Array(options.config.domains.length);
    this.#claimed = new Int32Array(options.config.domains.length);
  }

  async start(): Promise<void> {
    const config = this.#config;
    const machine = new MachineSource({ clock: systemClock });
    const free = machine.sample().availableBytes ?? bytes(os.freemem());
    machine.close();
    const chunkBytes = config.arena.chunk_kib * 1024;
    // What an arena that is to be taken up holds is not free, and is governed all the same.
    const left = leftArena(new RunFiles(this.#runDir).arenaInfo);
    this.#total =
      left && config.total_mib === undefined
        ? bytes(left.totalBytes)
        : governedBytes(config, bytes(free + (left?.arena.byteLength ?? 0)));
    await this.#startTelemetry();
    this.#service = new BackendService({
      runDir: this.#runDir,
      ...arenaSize(config, this.#total),
      totalBytes: this.#total,
      chunkBytes,
      hugePages: config.arena.huge_pages,
      lock: config.arena.lock,
      doorbell: config.fast_plane.doorbell,
      scheduling: schedulingOf(config),
      mode: config.mode,
      stuckBackoffMillis: config.policy.stuck_backoff_s * 1000,
      domains: config.domains.map((domain) => ({
        name: domain.name,
        limits: { ...arenaLimits(domain, mebibytes(domain.budget_mib), chunkBytes), offerChunks: 0 },
      })),
      onCall: (domain, call) => this.#heard(domain, call),
      onDomain: (domain, connected, limitBytes) => this.#met(domain, connected, limitBytes),
      onUntold: (domain, notice) => this.#remote?.tell(domain, notice),
      status: () => this.#status(),
      room: (...room) => this.makeRoom(...room),
      // An agent that is started again takes its domain's budget up where it stands, not where it once began.
      budgetOf: (domain) => this.#mover?.limitOf(domain),
      brokerUrl: this.#telemetry.status().brokerUrl,
    });
    await this.#service.start();
    logRefusals(this.#service.constructs, this.#log);
    this.#service.onFailure((error) => {
      this.#log.error({ error: error.message }, 'the fast plane has failed');
      this.#stopped();
    });
    this.#mover = new BudgetMover({
      config,
      total: this.#total,
      host: budgetHostOf(this.#service, (domain, notice) => this.#tell(domain, notice)),
      claimedBytes: (domain) => this.#claimed[this.#service.domainNames.indexOf(domain)]! * chunkBytes,
      clock: systemClock,
      onOutcome: (text) => this.#log.debug(text),
      onGrant: () => this.#writeLimits(),
      ...(this.#service.arenaFacts.takenUp
        ? {
            limits: readBudgets(this.#service.files.budgets),
            awaited: this.#service.domainNames.filter((name) => this.#service.isAlive(name)),
          }
        : {}),
    });
    this.#log.info({ total_bytes: this.#total, ...arenaLog(this.#service.arenaFacts) }, 'the arena stands');
    if (config.coordination !== 'socket') {
      this.#remote = remoteDomains({
        port: this.#port,
        service: this.#service,
        mover: this.#mover,
        mode: config.mode,
        met: (domain, connected, limitBytes) => this.#met(domain, connected, limitBytes),
        heard: (domain, call) => this.#heard(domain, call),
      });
      await this.#remote.start();
    }
    this.#guests = await XenGuests.open({
      config,
      log: this.#log,
      mode: () => this.#service.mode,
      tell: (domain, notice) => this.#tell(domain, notice),
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MILLIS);
    this.#offer();
  }

  #heard(domain: string, call: BackendCall): void {
    if (call.op === 'burst') this.#remember(domain, call.bytes, call.atMicros);
    else if (this.#isGuest(domain)) this.#guests?.heard(domain, call);
    else if (call.op === 'report') {
      if (this.#unheard.delete(domain)) this.#tellLimits(domain);
      this.#mover.report(domain, call);
      if (call.pressured) {
        this.#count();
        this.#offer();
      }
    } else if (call.op === 'moved') this.#mover.moved(domain, call);
  }

  /** By the configuration: links stand before Xen has been asked. */
  #isGuest(domain: string): boolean {
    return this.#config.domains.some(({ name, guest }) => name === domain && guest !== undefined);
  }

  #met(domain: string, connected: boolean, limitBytes?: number): void {
    this.#log.info({ domain }, connected ? 'a domain has joined' : 'a domain has left');
    if (this.#isGuest(domain)) this.#guests?.met(domain);
    else if (connected) {
      this.#unheard.add(domain);
      this.#mover.joined(domain, limitBytes);
    } else this.#mover.forget(domain);
  }

  /** Says something to a domain's agent, whichever way it is linked. */
  #tell(domain: string, notice: BackendNotice): void {
    if (notice.notice === 'budget') this.#writeLimits(); // first: a successor must not count less than may be held
    if (!this.#service.tell(domain, notice) && this.#remote?.isLinked(domain)) this.#remote.tell(domain, notice);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#guests?.stop();
    await this.#remote?.stop();
    await this.#service?.stop();
    await this.#telemetry?.stop();
  }

  setMode(mode: Mode): void {
    this.#service.setMode(mode);
    this.#telemetry.announce({ mode });
    this.#log.info({ mode }, 'the mode was changed by a command');
    this.#guests?.modeChanged();
    this.#offer();
  }

  setLimits(domain: string, change: Partial<DomainLimits>): DomainLimits {
    const at = this.#domains.findIndex(({ name }) => name === domain);
    if (at < 0) throw new Error(`domain: no such domain; known: ${this.#service.domainNames.join(', ')}`);
    const changed = { ...this.#domains[at]!, ...change };
    if (this.#isGuest(domain)) throw new Error('domain: a guest of Xen; its bounds are in the configuration');
    const domains = this.#domains.with(at, changed);
    // Without total_mib: it was chosen so that what was configured fits, and must fit what is commanded too.
    const total_mib = this.#config.total_mib ?? Math.floor(this.#total / MIB);
    const [wrong] = crossChecks({ ...this.#config, total_mib, domains });
    if (wrong) throw new Error(`${showPath(wrong.path)}: ${wrong.message}`);
    this.#domains[at] = changed;
    this.#mover.bound(domain, mebibytes(privateFloorMib(changed)), mebibytes(changed.ceiling_mib));
    this.#tellLimits(domain);
    this.#offer();
    this.#log.info({ domain, ...change }, 'limits were changed by a command');
    return { floor_mib: changed.floor_mib, ceiling_mib: changed.ceiling_mib };
  }

  async makeRoom(...room: Parameters<CommandedBackend['makeRoom']>): Promise<boolean> {
    if (this.#guests) return this.#guests.makeRoom(...room);
    throw new Error('room: no domain of the configuration is a guest of Xen');
  }

  /** To a domain's agent, which enforces them on its programs. */
  #tellLimits(domain: string): void {
    const now = this.#domains.find(({ name }) => name === domain)!;
    const floorBytes = mebibytes(privateFloorMib(now));
    this.#tell(domain, { notice: 'limits', floorBytes, ceilingBytes: mebibytes(now.ceiling_mib) });
  }

  async #startTelemetry(): Promise<void> {
    this.#telemetry = this.#port.through(
      new Telemetry({
        onCoordination: this.#port.hear,
        config: this.#config,
        domain: BACKEND_NAME,
        birth: {
          memtide: VERSION,
          node: process.version,
          kernel: os.release(),
          arch: process.arch,
          mode: this.#config.mode,
        },
        commands: async () => (await import('./backend-commands.ts')).backendCommands(this),
        embedded: 'host',
        clock: systemClock,
        procRoot: '/proc',
        health: () => (this.#mover ? this.#status() : {}),
        onProblem: (problem) => this.#log.warn(problem),
      }),
    );
    this.#reporter = await this.#telemetry.start();
  }

  #tick(): void {
    this.#ticks++;
    this.#count();
    this.#mover.tick();
    this.#offer();
    if (this.#ticks % SIZING_TICKS === 0) this.#size();
    this.#writeLimits();
    if (this.#ticks % SLOW_TICKS === 0) this.#lookAfterDomains();
    const pool = this.#poolBytes();
    if (this.#told.isNew('pool', this.#ticks % 10 === 0, pool)) this.#reporter?.alloc({ poolBytes: bytes(pool) });
  }

  /** What no event tells of: domains whose agent has died, and those that write nonsense. */
  #lookAfterDomains(): void {
    for (const name of this.#service.collectLeft()) this.#mover.giveUpOn(name);
    for (const domain of this.#service.domainNames) {
      const violations = this.#service.violationsOf(domain);
      if (!this.#told.isNew(`violations of ${domain}`, false, violations) || violations === 0) continue;
      this.#log.warn({ domain, violations }, 'a domain has written what no agent writes; its link was made anew');
    }
  }

  /** The budgets as they stand, for a successor of this back end. */
  #writeLimits(): void {
    const { limits } = this.#mover;
    if (this.#told.isNew('limits', false, ...Object.values(limits))) writeBudgets(this.#service.files.budgets, limits);
  }

  /** Free and offered memory: what belongs to no domain. */
  #poolBytes(): number {
    return (
      this.#offered.reduce((all, each) => all + each, this.#service.figure('freeChunks')) * this.#service.chunkBytes
    );
  }

  /** One look at every ledger: it is as long as the arena, and there are many. */
  #count(): void {
    for (const [at, name] of this.#service.domainNames.entries()) {
      this.#service.countStates(name, this.#counts);
      const offered = this.#counts[STATE.offered]!;
      const all = this.#counts.reduce((sum, chunks) => sum + chunks, 0);
      this.#offered[at] = offered;
      this.#claimed[at] = all - offered - this.#counts[STATE.none]!;
    }
  }

  /**
   * Divides most of the pool into offers: what domains lack to their floors, then equally, and by what sizing says their
   * bursts draw. Floors and ceilings in the arena follow the budgets as they move.
   */
  #offer(): void {
    const { chunkBytes } = this.#service;
    const { mode } = this.#service;
    const domains = this.#domains;
    const limits = domains.map((domain) =>
      arenaLimits(domain, this.#mover.limitOf(domain.name) ?? mebibytes(domain.budget_mib), chunkBytes),
    );
    const claimants = domains.map(({ name }, at): Claimant => {
      if (mode !== 'hypervisor' || !this.#service.isConnected(name)) return NO_CLAIM;
      const weight = 1 + (this.#sizing?.reserveBytes[at] ?? 0) / MIB;
      return { heldChunks: this.#claimed[at]!, floorChunks: limits[at]!.floorChunks, weight };
    });
    const pool = Math.max(0, this.#poolBytes() - this.#mover.wantedFromPoolBytes);
    const offers = shareOffers(Math.floor(pool / chunkBytes), claimants);
    for (const [at, { name }] of domains.entries()) {
      const wanted = { ...limits[at]!, offerChunks: offers[at]! };
      const now = this.#service.limitsOf(name);
      const isNew = (each: keyof typeof wanted): boolean => now[each] !== wanted[each];
      if ((['floorChunks', 'ceilingChunks', 'offerChunks'] as const).some(isNew)) this.#service.setLimits(name, wanted);
    }
  }

  #remember(domain: string, burstBytes: number, atMicros: number): void {
    if (!Number.isSafeInteger(burstBytes) || burstBytes <= 0 || !Number.isFinite(atMicros)) return;
    const index = this.#service.domainNames.indexOf(domain);
    const endMicros = atMicros + BURST_LIFE_MICROS;
    this.#history.push({ domain: index, startMicros: atMicros, endMicros, bytes: burstBytes });
    if (this.#history.length > HISTORY) this.#history.shift();
  }

  /** Sizes reserves and pool from the joint distribution of what was seen, and tells the domains their part. */
  #size(): void {
    if (this.#history.length === 0) return;
    const names = this.#service.domainNames;
    this.#sizing = sizeIdle(jointNeedOfBursts(this.#history, names.length), {
      missShare: this.#config.policy.miss_target,
      premiumShare: 0,
      granularityBytes: this.#service.chunkBytes,
    });
    for (const [domain, name] of names.entries()) {
      this.#tell(name, { notice: 'reserve', bytes: this.#sizing.reserveBytes[domain]! });
    }
  }

  #status() {
    this.#count();
    return {
      mode: this.#service.mode,
      total_bytes: this.#total,
      pool_bytes: this.#poolBytes(),
      arena: this.#service.arenaFacts,
      broker_url: this.#telemetry.status().brokerUrl,
      uplink: this.#telemetry.status().uplink,
      spool: this.#telemetry.status().spool,
      domains: this.#service.domainNames.map((name) => ({
        name,
        connected: this.#service.isConnected(name) || this.#remote?.isLinked(name) === true,
        remote: this.#remote?.isLinked(name) === true,
        limit_bytes: this.#guests?.limitOf(name) ?? this.#mover.limitOf(name),
        ...arenaStatus(this.#service, name, this.#counts),
        stuck: this.#mover.isStuck(name),
        violations: this.#service.violationsOf(name),
      })),
      xen: this.#guests?.status(),
      sizing: this.#sizing && sizingStatus(this.#sizing),
      fast_plane: this.#service.constructs,
      figures: this.#service.figures(),
      ...this.#moreStatus(),
    };
  }
}
