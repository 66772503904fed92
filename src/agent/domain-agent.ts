import os from 'node:os';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { STATE } from '../control/layout.ts';
import type { BackendCall, BackendNotice, FrontendWelcome } from '../coordination/agent-protocol.ts';
import { FrontendService } from '../coordination/frontend-service.ts';
import { MqttLink } from '../coordination/mqtt-link.ts';
import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import { BurstBook } from '../latency/burst-book.ts';
import { probeLocal, probeRefusal } from '../latency/local-probe.ts';
import type { BurstEvent } from '../pressure/burst-detector.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { Sampler } from '../pressure/sampler.ts';
import { DEFAULT_SAMPLING_RATE } from '../pressure/sampling-rate.ts';
import { systemTimer } from '../pressure/timer.ts';
import type { BurstRecord, LocalProbe, PressureSample } from '../records.ts';
import type { MarkSource, Reporter } from '../telemetry/reporter.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { type Bytes, bytes, MIB, micros } from '../units.ts';
import { Changes } from './changes.ts';
import { BACKEND_NAME, TelemetryPort } from './coordination.ts';
import type { DomainBudget } from './domain-budget.ts';
import type { CommandedDomain } from './domain-commands.ts';
import { DomainSource } from './domain-source.ts';
import type { Log } from './log.ts';
import { openBudget } from './open-budget.ts';
import { ReserveKeeper } from './reserve-keeper.ts';
import { logRefusals, reserveRule, schedulingOf } from './settings.ts';
import { type StallWatch, watchStalls } from './stall-watch.ts';
import { VERSION } from './version.ts';

/** How often the slow plane looks after things that no event tells; a little less than the sampling interval. */
const TICK_MICROS = 95_000;
/** Every so many ticks the state of the domain is published and dead sessions are looked for. */
const SLOW_TICKS = 10;

/**
 * The agent of one domain: senses its pressure, keeps its reserve ahead of its need, runs its programs under a budget,
 * serves its applications, and tells what happened. The fast plane works by itself in its own thread; nothing here is on
 * the way of a burst.
 */
export class DomainAgent implements CommandedDomain {
  readonly #config: Config;
  readonly #name: string;
  readonly #settings: Config['domains'][number];
  readonly #runDir: string;
  readonly #log: Log;
  readonly #stopped: () => void;
  readonly #counts = new Int32Array(16);
  #front!: FrontendService;
  #budget!: DomainBudget;
  #telemetry: Telemetry | undefined;
  #reporter: Reporter | undefined;
  #sampler: Sampler | undefined;
  #stalls: StallWatch | undefined;
  #book!: BurstBook;
  #nextTickMicros = 0;
  #reserve!: ReserveKeeper;
  #bursting = false;
  #ticks = 0;
  #last: PressureSample | undefined;
  readonly #told = new Changes();
  readonly #port = new TelemetryPort();
  /** Another way to the back end, made when its socket does not answer and requests wait. */
  #second: MqttLink | undefined;
  /** What the back end said before the agent could obey. */
  #early: BackendNotice[] | undefined = [];

  /** @param stopped called when the agent cannot go on by itself: its fast plane has failed, or its memory is no more. */
  constructor(options: {
    readonly config: Config;
    readonly domain: Config['domains'][number];
    readonly runDir: string;
    readonly log: Log;
    readonly stopped: () => void;
  }) {
    this.#config = options.config;
    this.#settings = options.domain;
    this.#name = options.domain.name;
    this.#runDir = options.runDir;
    this.#log = options.log;
    this.#stopped = options.stopped;
  }

  async start(): Promise<void> {
    this.#front = new FrontendService({
      runDir: this.#runDir,
      domain: this.#name,
      scheduling: schedulingOf(this.#config),
      reserveChunks: 0,
      answer: (call) => this.#answer(call),
      onNotice: (notice) => (this.#early ? this.#early.push(notice) : this.#obey(notice)),
      onBackendGone: (reason) =>
        this.#log.warn({ reason }, 'the back end is away; applications go on with what is there'),
      onBackendBack: (welcome) => void this.#meetBackend(welcome),
      limitBytes: () => this.#budget?.state.limit,
      tellOtherwise: (call) => this.#tellOtherwise(call),
      onOtherArena: (error) => {
        this.#log.error({ error: error.message }, 'the memory that this domain holds is no more');
        this.#stopped();
      },
    });
    await this.#front.start();
    logRefusals(this.#front.constructs, this.#log);
    this.#front.onFailure((error) => {
      this.#log.error({ error: error.message }, 'the fast plane has failed');
      this.#stopped();
    });
    const { welcome } = this.#front;
    this.#budget = await openBudget({
      config: this.#config,
      domain: this.#settings,
      budgetBytes: welcome.budgetBytes,
      log: this.#log,
      tell: (call) => this.#front.tell(call),
    });
    this.#budget.meet(welcome.epoch);
    this.#book = new BurstBook({
      domain: this.#name,
      mode: () => this.#front.mode,
      clock: systemClock,
      probeGapMicros: this.#config.latency.probe_min_gap_s * 1e6,
      smallestBytes: this.#config.latency.min_burst_kib * 1024,
      refusal: (byteLength) => probeRefusal(byteLength, this.#room()),
      probe: probeLocal,
      onRecord: (record) => this.#recorded(record),
    });
    const rule = reserveRule(this.#front.chunkBytes, this.#config.policy.step_cap_mib * MIB);
    const { reserve_mib } = this.#settings;
    this.#reserve = new ReserveKeeper(this.#front.chunkBytes, rule, reserve_mib && reserve_mib * MIB);
    await this.#startTelemetry();
    await this.#startSampling();
    this.#keepReserve();
    const early = this.#early!;
    this.#early = undefined;
    for (const notice of early) this.#obey(notice);
  }

  /** A back end that is there again, or its successor: it knows of this domain only what it is told now. */
  async #meetBackend({ brokerUrl, epoch }: FrontendWelcome): Promise<void> {
    this.#log.info('the back end is there again');
    await this.#second?.close();
    this.#second = undefined;
    if (this.#early) return; // still starting: everything is told at the end of that
    this.#budget.meet(epoch);
    this.#report(true);
    if (brokerUrl !== undefined) await this.#telemetry?.followBroker(brokerUrl);
  }

  /** A request that neither the ring nor the socket carries. It is told again until there is an answer. */
  #tellOtherwise(call: BackendCall): boolean {
    if (!this.#telemetry) return false;
    if (!this.#second) {
      this.#second = new MqttLink({
        port: this.#port,
        backend: BACKEND_NAME,
        clock: systemClock,
        sharesMemory: true,
        events: {
          joined: () => {},
          notice: (notice) => notice.notice === 'given' && this.#front.given(notice),
          away: (reason) => this.#log.debug({ reason }, 'the back end is not heard over MQTT'),
        },
      });
      void this.#second.start();
    }
    return this.#second.tell(call);
  }

  async stop(): Promise<void> {
    this.#sampler?.stop();
    this.#stalls?.stop();
    this.#book?.flush();
    await this.#second?.close();
    await this.#telemetry?.stop();
    this.#budget?.close();
    await this.#front?.stop();
  }

  probe(byteLength: Bytes): LocalProbe {
    const reason = probeRefusal(byteLength, this.#room());
    return reason === undefined ? probeLocal(byteLength) : { kind: 'skipped', reason };
  }

  mark(source: MarkSource, label: string | undefined): void {
    this.#reporter?.mark(source, label);
  }

  fixReserve(mib: number | undefined): void {
    const most = Math.max(0, this.#budget.limits.ceiling - this.#budget.state.limit);
    if (mib !== undefined && mib * MIB > most) {
      throw new Error(
        `reserve_mib: found ${mib}; accepted: at most ${Math.floor(most / MIB)}, which the ceiling leaves`,
      );
    }
    this.#reserve.fixedBytes = mib === undefined ? undefined : mib * MIB;
    this.#keepReserve();
  }

  async #startTelemetry(): Promise<void> {
    const { brokerUrl } = this.#front.welcome;
    this.#telemetry = this.#port.through(
      new Telemetry({
        onCoordination: this.#port.hear,
        config: this.#config,
        domain: this.#name,
        birth: {
          memtide: VERSION,
          node: process.version,
          kernel: os.release(),
          arch: process.arch,
          mode: this.#front.mode,
          enforced_by: this.#budget.enforcedBy,
        },
        commands: async () => (await import('./domain-commands.ts')).domainCommands(this),
        embedded: { join: brokerUrl ?? 'mqtt://127.0.0.1:1883' },
        clock: systemClock,
        procRoot: '/proc',
        health: () => (this.#sampler ? this.#status() : {}),
        onProblem: (problem) => this.#log.warn(problem),
      }),
    );
    this.#reporter = await this.#telemetry.start();
  }

  async #startSampling(): Promise<void> {
    const { sample_hz, burst_sample_hz, psi } = this.#config.pressure;
    const machine = new MachineSource({ clock: systemClock, psi: psi !== 'off' });
    const source = new DomainSource(machine, () => this.#use());
    this.#sampler = new Sampler({
      source,
      clock: systemClock,
      timer: systemTimer,
      rate: {
        ...DEFAULT_SAMPLING_RATE,
        quietMicros: micros(1e6 / sample_hz),
        alertMicros: micros(1e6 / burst_sample_hz),
      },
      capacity: 256,
      onSample: (sample) => {
        this.#last = sample;
        if (this.#bursting) this.#report();
        if (sample.atMicros >= this.#nextTickMicros) this.#tick(sample.atMicros);
      },
      onEvent: (event) => this.#sensed(event),
    });
    this.#sampler.start();
    this.#stalls = await watchStalls(this.#config.pressure, () => this.#keepReserve(true), this.#log);
  }

  /** The domain's use: what its programs hold and what its applications lease. */
  #use(): { usedBytes: ReturnType<typeof bytes>; limitBytes: ReturnType<typeof bytes> } {
    const { residentBytes, limit } = this.#budget.refresh();
    this.#front.countStates(this.#counts);
    const leased = this.#leasedBytes();
    return {
      usedBytes: bytes(residentBytes + leased),
      limitBytes: bytes(limit + leased),
    };
  }

  /** From `#counts`, as last read. */
  #leasedBytes(): number {
    const of = (state: number): number => this.#counts[state]!;
    const chunks = of(STATE.leased) + of(STATE.leasedRevocable) + of(STATE.split) + of(STATE.splitting);
    return chunks * this.#front.chunkBytes;
  }

  #room(): { headroomBytes?: number; availableBytes?: number } {
    const { limit, used } = this.#budget.state;
    const available = this.#last?.availableBytes;
    return { headroomBytes: limit - used, ...(available === undefined ? {} : { availableBytes: available }) };
  }

  /** The detector has seen something: the reserve grows before the application asks, and the budget with it. */
  #sensed(event: BurstEvent): void {
    if (event.kind === 'start') {
      this.#bursting = true;
      this.#reserve.draw(event.forecastBytes);
      this.#keepReserve();
    } else if (event.kind === 'end') {
      this.#bursting = false;
    }
  }

  /** What is due ten times a second: on the sampler's beat, so that a quiet agent wakes up once and not twice. */
  #tick(now: number): void {
    this.#nextTickMicros = now + TICK_MICROS;
    this.#ticks++;
    this.#front.look();
    this.#budget.rebalance(this.#sampler?.state?.riseRateBytesPerSecond ?? 0);
    this.#book.tick();
    if (this.#reserve.hasNews) this.#keepReserve();
    const slow = this.#ticks % SLOW_TICKS === 0;
    this.#report(slow);
    this.#publish(slow);
    if (!slow) return;
    this.#budget.refresh(true);
    this.#front.tick();
    this.#keepReserve();
    const { mode } = this.#front;
    if (this.#told.isNew('mode', false, mode)) this.#telemetry?.announce({ mode });
  }

  #keepReserve(urgent = false): void {
    const chunks = this.#reserve.targetChunks(systemClock.monotonicMicros(), this.#front.mode, urgent);
    if (chunks !== this.#front.reserveTarget) this.#front.setReserve(chunks);
  }

  #report(always = false): void {
    this.#budget.report(this.#sampler?.state?.riseRateBytesPerSecond ?? 0, always);
  }

  /** Publishes what has changed; once a second, all of it. */
  #publish(always: boolean): void {
    if (!this.#reporter || !this.#last) return;
    const { usedBytes, limitBytes, psi } = this.#last;
    if (this.#told.isNew('pressure', always, usedBytes, limitBytes, psi?.someTotalMicros)) {
      this.#reporter.pressure(this.#last);
    }
    const of = (state: number): number => this.#counts[state]!;
    const { chunkBytes } = this.#front;
    const reserve = (of(STATE.reserved) + of(STATE.scrubbing) + of(STATE.dirty)) * chunkBytes;
    const offered = of(STATE.offered) * chunkBytes;
    const leased = this.#leasedBytes();
    const { limit } = this.#budget.state;
    const { roundingBytes, splitFreeBytes } = this.#front.internalWaste();
    const figures = [limit, reserve, offered, leased, roundingBytes, splitFreeBytes] as const;
    if (!this.#told.isNew('alloc', always, ...figures)) return;
    this.#reporter.alloc({
      limitBytes: limit,
      reserveBytes: bytes(reserve),
      offeredBytes: bytes(offered),
      leasedBytes: bytes(leased),
      roundingBytes: bytes(roundingBytes),
      splitFreeBytes: bytes(splitFreeBytes),
    });
  }

  #obey(notice: BackendNotice): void {
    if (notice.notice === 'reserve') {
      this.#reserve.sizedBytes = notice.bytes;
      this.#keepReserve();
    } else if (notice.notice === 'limits') {
      this.#budget.limits = { floor: bytes(notice.floorBytes), ceiling: bytes(notice.ceilingBytes) };
    } else if (notice.notice === 'budget') {
      this.#budget.move(notice);
    }
  }

  #answer(call: SessionCall): SessionReply | undefined {
    if (call.op === 'burst') {
      const record = this.#book.add(call.burst);
      if (!record) return undefined;
      this.#reserve.draw(record.requestedBytes);
      this.#front.tell({
        op: 'burst',
        bytes: record.requestedBytes,
        atMicros: record.atMicros,
        totalMicros: record.totalMicros,
      });
      return undefined;
    }
    // A guest's budget takes a while to open.
    if (call.op === 'program')
      return this.#budget?.program(call) ?? { ok: false, error: 'the agent is still starting' };
    if (call.op === 'status') return { ok: true, status: this.#status() };
    return { ok: false, error: `unknown op "${String((call as { op: unknown }).op).slice(0, 40)}"` };
  }

  #recorded(record: BurstRecord): void {
    this.#reporter?.burst(record);
  }

  #status() {
    const { limit, used, processes } = this.#budget.state;
    const { cost } = this.#sampler!;
    return {
      domain: this.#name,
      limit_bytes: limit,
      used_bytes: used,
      programs: processes,
      enforced_by: this.#budget.enforcedBy,
      sessions: this.#front.sessions.liveSessions,
      socket: this.#front.sessions.figures(),
      reserve_target_bytes: this.#front.reserveTarget * this.#front.chunkBytes,
      psi: this.#stalls?.method,
      psi_reason: this.#stalls?.reason,
      samples: cost.samples,
      sample_cpu_us: cost.samples === 0 ? 0 : cost.cpuMicros / cost.samples,
      telemetry: this.#telemetry?.status(),
      fast_plane: this.#front.constructs,
      figures: this.#front.figures(),
    };
  }
}
