import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { systemClock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import type { BackendNotice } from '../coordination/agent-protocol.ts';
import { serveLines } from '../coordination/line-server.ts';
import { MqttLink, type RemoteWelcome } from '../coordination/mqtt-link.ts';
import { AGENT_LOCK_BYTE, checkSocketPath, ensurePrivateDirectory, RunFiles } from '../coordination/run-files.ts';
import type { SessionCall, SessionReply } from '../coordination/session-protocol.ts';
import { EXIT, MemtideError } from '../errors.ts';
import { tryLockByte } from '../native/ofd-lock.ts';
import { type BurstParameters, DEFAULT_BURST_PARAMETERS } from '../pressure/burst-parameters.ts';
import { MachineSource } from '../pressure/machine-source.ts';
import { Sampler } from '../pressure/sampler.ts';
import { DEFAULT_SAMPLING_RATE } from '../pressure/sampling-rate.ts';
import { systemTimer } from '../pressure/timer.ts';
import type { Reporter } from '../telemetry/reporter.ts';
import { Telemetry } from '../telemetry/telemetry.ts';
import { bytes, mebibytes, micros } from '../units.ts';
import { XenConstructs } from '../xen/constructs.ts';
import { BACKEND_NAME, TelemetryPort } from './coordination.ts';
import type { DomainBudget } from './domain-budget.ts';
import { DomainSource } from './domain-source.ts';
import type { GuestLeases } from './guest-leases.ts';
import type { Log } from './log.ts';
import { openBudget } from './open-budget.ts';
import { kernelConstructs } from './settings.ts';
import { VERSION } from './version.ts';

/** In a whole guest, what every program and the kernel's caches do at rest is noise: as much as its balloon moves at once. */
const WHOLE_GUEST: BurstParameters = { ...DEFAULT_BURST_PARAMETERS, noiseBytes: mebibytes(2) };
const TICK_MICROS = 95_000;
const SLOW_TICKS = 10;

/**
 * The agent of a domain that shares no memory with the back end: another kernel, reached over MQTT. It takes part with the
 * budget of its programs, by the same plan as the others; there is nothing that applications could borrow.
 */
export class RemoteAgent {
  readonly #config: Config;
  readonly #settings: Config['domains'][number];
  readonly #files: RunFiles;
  readonly #log: Log;
  readonly #stopped: () => void;
  readonly #port = new TelemetryPort();
  #telemetry: Telemetry | undefined;
  #reporter: Reporter | undefined;
  #link: MqttLink | undefined;
  #budget: DomainBudget | undefined;
  #sampler: Sampler | undefined;
  #server: net.Server | undefined;
  readonly #constructs = new XenConstructs();
  readonly #visitors = new Set<net.Socket>();
  #leases: GuestLeases | undefined;
  #lockFd = -1;
  #nextTickMicros = 0;
  #ticks = 0;

  /** @param stopped called when the agent cannot go on by itself: its fast plane has failed. */
  constructor(options: {
    readonly config: Config;
    readonly domain: Config['domains'][number];
    readonly runDir: string;
    readonly log: Log;
    readonly stopped: () => void;
  }) {
    this.#config = options.config;
    this.#settings = options.domain;
    this.#files = new RunFiles(options.runDir);
    this.#log = options.log;
    this.#stopped = options.stopped;
  }

  async start(): Promise<void> {
    const { name } = this.#settings;
    this.#takeLock();
    this.#telemetry = this.#port.through(
      new Telemetry({
        config: this.#config,
        domain: name,
        birth: {
          memtide: VERSION,
          node: process.version,
          kernel: os.release(),
          arch: process.arch,
          mode: this.#config.mode,
        },
        embedded: { join: 'mqtt://127.0.0.1:1883' },
        clock: systemClock,
        procRoot: '/proc',
        onCoordination: this.#port.hear,
        health: () => (this.#sampler ? this.#status() : {}),
        onProblem: (problem) => this.#log.warn(problem),
      }),
    );
    this.#reporter = await this.#telemetry.start();
    this.#link = new MqttLink({
      port: this.#port,
      backend: BACKEND_NAME,
      clock: systemClock,
      limitBytes: () => this.#budget?.state.limit,
      // Guests and dom0 boot side by side on few CPUs.
      ...(this.#settings.guest === undefined ? {} : { startMillis: 60_000 }),
      events: {
        joined: (welcome) => this.#meet(welcome),
        notice: (notice) => this.#obey(notice),
        away: (reason) => this.#log.warn({ reason }, 'the back end is away; programs keep their budget'),
      },
    });
    const welcome = await this.#link.start();
    this.#budget = await openBudget({
      config: this.#config,
      domain: this.#settings,
      budgetBytes: welcome.budgetBytes,
      log: this.#log,
      tell: (call) => this.#link?.tell(call) === true,
    });
    this.#meet(welcome);
    await this.#constructs.apply(kernelConstructs(this.#config.xen, this.#settings.guest !== undefined));
    this.#startSampling();
    await this.#listen();
    if (this.#config.xen.arena_mib > 0) await this.#borrow();
  }

  /** From dom0, as long as it lends: its applications are served at the same socket then. */
  async #borrow(): Promise<void> {
    const { GuestLeases } = await import('./guest-leases.ts');
    this.#leases = await GuestLeases.start({
      config: this.#config,
      domain: this.#settings,
      files: this.#files.domain(this.#settings.name),
      lockFd: this.#lockFd,
      log: this.#log,
      answer: (call) => this.#answer(call),
      onLending: (lending) => (lending ? this.#silence() : this.#listen()),
      stopped: this.#stopped,
      onBurst: (record) => this.#reporter?.burst(record),
      room: () => ({ headroomBytes: this.#budget!.state.limit - this.#budget!.state.used }),
    });
  }

  async stop(): Promise<void> {
    this.#sampler?.stop();
    await this.#leases?.stop();
    await this.#silence();
    await this.#link?.close();
    await this.#telemetry?.stop();
    this.#budget?.close();
    await this.#constructs.undo();
    if (this.#lockFd >= 0) fs.closeSync(this.#lockFd);
  }

  #meet({ epoch }: RemoteWelcome): void {
    this.#log.info('the back end is there');
    this.#budget?.meet(epoch);
    this.#report(true);
  }

  #obey(notice: BackendNotice): void {
    if (notice.notice === 'budget') this.#budget?.move(notice);
    else if (notice.notice === 'limits' && this.#budget)
      this.#budget.limits = { floor: bytes(notice.floorBytes), ceiling: bytes(notice.ceilingBytes) };
  }

  #startSampling(): void {
    const { sample_hz, burst_sample_hz } = this.#config.pressure;
    const machine = new MachineSource({ clock: systemClock });
    this.#sampler = new Sampler({
      source: new DomainSource(machine, () => {
        const { residentBytes, limit } = this.#budget!.refresh();
        return { usedBytes: residentBytes, limitBytes: limit };
      }),
      clock: systemClock,
      timer: systemTimer,
      rate: {
        ...DEFAULT_SAMPLING_RATE,
        quietMicros: micros(1e6 / sample_hz),
        alertMicros: micros(1e6 / burst_sample_hz),
      },
      ...(this.#settings.guest === undefined ? {} : { burst: WHOLE_GUEST }),
      capacity: 256,
      onSample: (sample) => {
        if (sample.atMicros < this.#nextTickMicros) return;
        this.#nextTickMicros = sample.atMicros + TICK_MICROS;
        this.#budget!.rebalance(this.#sampler?.state?.riseRateBytesPerSecond ?? 0);
        const slow = ++this.#ticks % SLOW_TICKS === 0;
        if (slow) this.#budget!.refresh(true);
        if (slow) this.#reporter?.pressure(sample);
        if (slow) this.#leases?.tick();
        this.#report(slow);
      },
      onEvent: () => this.#report(),
    });
    this.#sampler.start();
  }

  #report(always = false): void {
    this.#budget?.report(this.#sampler?.state?.riseRateBytesPerSecond ?? 0, always);
  }

  /** `memtide run` and `memtide status` come here, as to any agent. */
  async #listen(): Promise<void> {
    const { socket } = this.#files.domain(this.#settings.name);
    fs.rmSync(socket, { force: true });
    const server = net.createServer((connection) => {
      this.#visitors.add(connection);
      connection.once('close', () => this.#visitors.delete(connection));
      serveLines<SessionCall, SessionReply>(connection, (call) => this.#answer(call));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(checkSocketPath(socket), resolve);
    });
    fs.chmodSync(socket, 0o600);
    this.#server = server;
  }

  async #silence(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const visitor of this.#visitors) visitor.destroy();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  #answer(call: SessionCall): SessionReply {
    if (call.op === 'program') return this.#budget!.program(call);
    if (call.op === 'status') return { ok: true, status: this.#status() };
    return {
      ok: false,
      error: 'this domain shares no memory with the back end: there is nothing to borrow',
      remedy: 'run the program under the budget of the domain: memtide run',
    };
  }

  #status() {
    const { limit, used, processes } = this.#budget!.state;
    const { samples, cpuMicros } = this.#sampler!.cost;
    return {
      domain: this.#settings.name,
      limit_bytes: limit,
      used_bytes: used,
      programs: processes,
      enforced_by: this.#budget!.enforcedBy,
      coordination: 'mqtt',
      own_moves: this.#budget!.own,
      constructs: this.#constructs.reports,
      backend_is_there: this.#link!.isUp,
      samples,
      sample_cpu_us: samples === 0 ? 0 : cpuMicros / samples,
      telemetry: this.#telemetry!.status(),
      ...(this.#leases && { leases: this.#leases.status() }),
    };
  }

  #takeLock(): void {
    const { name } = this.#settings;
    const files = this.#files.domain(name);
    ensurePrivateDirectory(this.#files.directory);
    ensurePrivateDirectory(files.directory);
    this.#lockFd = fs.openSync(files.locks, 'a+', 0o600);
    if (tryLockByte(this.#lockFd, AGENT_LOCK_BYTE)) return;
    throw new MemtideError({
      operation: `start the agent of domain "${name}"`,
      object: files.directory,
      expected: 'no other agent of this domain',
      actual: 'one is running',
      remedy: 'stop it first, or start this one for another domain',
      exitCode: EXIT.unavailable,
    });
  }
}
