/**
 * Telemetry of one agent, put together from the configuration: the embedded broker where the agent hosts it, the uplink,
 * the drive log. Each of them may be missing; that is said once, and the rest runs.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../errors.ts';
import { MIB } from '../units.ts';
import { EmbeddedBroker } from './broker.ts';
import { BurstLog } from './burst-log.ts';
import { adjtimexReader } from './clock-sync.ts';
import type { AgentHealth } from './metrics/health.ts';
import type { MetricsServer } from './metrics/server.ts';
import { Publisher } from './publisher.ts';
import { Reporter, type ReportSink } from './reporter.ts';
import type { ReportPayload, Stamp } from './schema.ts';
import type { OpenSpool } from './spool/open-spool.ts';
import { readBootId, Stamper } from './stamp.ts';
import type { TelemetryStatus } from './telemetry-status.ts';
import type { PublisherOptions } from './uplink.ts';

export interface TelemetryOptions {
  readonly config: Config;
  readonly domain: string;
  readonly birth: Omit<ReportPayload<'info'>, keyof Stamp>;
  /**
   * Where this agent's broker is: `host` starts the embedded one here, an address joins one that another agent hosts.
   * Neither counts when `mqtt.url` is given.
   */
  readonly embedded: 'host' | { readonly join: string };
  readonly clock: Clock;
  /** `/proc`, or a fixture. */
  readonly procRoot: string;
  /** Of the agent, for /metrics. */
  readonly health?: () => AgentHealth;
  readonly commands?: PublisherOptions['commands'];
  readonly onCoordination?: PublisherOptions['onCoordination'];
  /** Hears, once each, of what does not work. */
  readonly onProblem: (problem: string) => void;
}

export class Telemetry {
  readonly #options: TelemetryOptions;
  #birth: TelemetryOptions['birth'];
  #broker: EmbeddedBroker | undefined;
  #brokerUrl: string | undefined;
  #publisher: Publisher | undefined;
  #stamper: Stamper | undefined;
  #stopped = false;
  readonly #sinks: ReportSink[] = [];
  #log: BurstLog | undefined;
  #spool: OpenSpool | undefined;
  #metrics: MetricsServer | undefined;
  #metricsUrl: string | undefined;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#birth = options.birth;
  }

  /** Starts what the configuration asks for. Does not wait for a broker that is elsewhere. Never rejects. */
  async start(): Promise<Reporter> {
    const { clock, procRoot, onProblem } = this.#options;
    const boot = readBootId(procRoot);
    if (boot.madeUp !== undefined)
      onProblem(`messages of this run cannot be joined with others of this boot: ${boot.madeUp}`);
    const stamper = new Stamper({ clock, bootId: boot.id, readSyncState: adjtimexReader() });
    const sync = stamper.syncState();
    if (!sync.known) onProblem(`nobody knows whether the wall clock is synchronised: ${sync.reason}`);
    this.#stamper = stamper;
    await this.#attempt(async () => {
      this.#log = await this.#openLog(boot.id);
      if (this.#log) this.#sinks.push(this.#log);
    });
    await this.#attempt(async () => {
      this.#spool = await this.#openSpool(stamper);
    });
    await this.#attempt(() => this.#serveMetrics(stamper));
    const { embedded } = this.#options;
    await this.#attempt(() => this.#joinUplink(embedded === 'host' ? undefined : embedded.join));
    return new Reporter(stamper, this.#sinks);
  }

  /** The embedded broker of the other agent has come back somewhere else; nothing happens where it has not. */
  async followBroker(url: string): Promise<void> {
    if (this.#options.config.mqtt.url !== undefined || url === this.#brokerUrl) return;
    this.#brokerUrl = url;
    const former = this.#publisher;
    if (former) this.#sinks.splice(this.#sinks.indexOf(former), 1);
    this.#publisher = undefined;
    await former?.stop();
    await this.#attempt(() => this.#joinUplink(url));
  }

  /** Changes what the retained birth says. */
  announce(change: Partial<TelemetryOptions['birth']>): void {
    this.#birth = { ...this.#birth, ...change };
    this.#publisher?.announce(change);
  }

  /** Says goodbye on the uplink, brings spool and log to the disk, ends the broker. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#metrics?.stop();
    await this.#publisher?.stop();
    await this.#spool?.stop();
    await this.#log?.stop();
    await this.#broker?.stop();
  }

  /** A message to the agent of another domain, if the uplink is connected. @returns whether it is. */
  coordinate(to: string, fields: Readonly<Record<string, string | number | boolean>>): boolean {
    return this.#publisher?.coordinate(to, fields) === true;
  }

  status(): TelemetryStatus {
    return {
      ...(this.#publisher && { uplink: this.#publisher.status() }),
      ...(this.#log && { log: this.#log.status() }),
      ...(this.#spool && { spool: this.#spool.feed.status() }),
      ...(this.#brokerUrl !== undefined && { brokerUrl: this.#brokerUrl }),
      ...(this.#metricsUrl !== undefined && { metricsUrl: this.#metricsUrl }),
    };
  }

  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#options.onProblem(errorMessage(error));
    }
  }

  async #openLog(bootId: string): Promise<BurstLog | undefined> {
    const { config, domain, onProblem } = this.#options;
    if (config.log_dir === undefined) return undefined;
    const log = new BurstLog({ folder: config.log_dir, domain, bootId, onProblem });
    await log.start();
    return log;
  }

  async #openSpool(stamper: Stamper): Promise<OpenSpool | undefined> {
    const { config, domain, clock, onProblem } = this.#options;
    const { dir, cap_mib, fsync_ms, drain_hz } = config.spool;
    if (dir === undefined) return undefined;
    // Loaded here: an agent without a spool need not pay for it.
    const { openSpool } = await import('./spool/open-spool.ts');
    return openSpool({
      folder: join(dir, domain),
      clock,
      bootId: stamper.bootId,
      stamp: () => stamper.stamp('event/gap'),
      capBytes: cap_mib * MIB,
      syncMillis: fsync_ms,
      drainHz: drain_hz,
      onProblem: (reason) => onProblem(`the spool cannot be written: ${reason}; messages go out without it`),
    });
  }

  async #serveMetrics(stamper: Stamper): Promise<void> {
    const { config, domain, birth, health } = this.#options;
    const { host, port } = config.metrics;
    if (port === undefined) return;
    // Loaded here: an agent that is not scraped need not pay for it.
    const { openMetrics } = await import('./metrics/open-metrics.ts');
    this.#metrics = openMetrics({
      host,
      port: port + 1 + config.domains.findIndex(({ name }) => name === domain),
      domain,
      versions: { version: birth.memtide, node: birth.node, arch: birth.arch },
      telemetry: () => this.status(),
      agent: () => health?.() ?? {},
      syncState: () => stamper.syncState(),
    });
    this.#metricsUrl = await this.#metrics.start();
  }

  async #joinUplink(join: string | undefined): Promise<void> {
    const { config } = this.#options;
    const url = config.mqtt.url ?? (await this.#embeddedUrl(join));
    if (url === undefined) return;
    this.#brokerUrl = url;
    const publisher = await this.#openUplink(this.#stamper!, url);
    if (this.#stopped) return publisher.stop();
    this.#publisher = publisher;
    this.#sinks.push(publisher);
  }

  async #openUplink(stamper: Stamper, url: string): Promise<Publisher> {
    const { config, domain, clock, commands, onCoordination, onProblem } = this.#options;
    const { mqtt, vehicle } = config;
    const publisher = new Publisher({
      owner: { base: mqtt.base_topic, vehicle, domain },
      url,
      protocolVersion: mqtt.protocol_version,
      keepaliveSeconds: mqtt.keepalive_s,
      username: mqtt.username,
      password: mqtt.password_file && readSecretFile(mqtt.password_file, 'mqtt.password_file').split(/\r?\n/, 1)[0],
      certificateAuthority: mqtt.ca_file && readSecretFile(mqtt.ca_file, 'mqtt.ca_file'),
      clock,
      stamper,
      birth: this.#birth,
      ...(this.#spool && { spool: this.#spool.feed }),
      ...(commands && { commands }),
      ...(onCoordination && { onCoordination }),
      onEvent: (event) => {
        if (event.kind === 'disconnected') onProblem(`no connection to ${url}: ${event.reason}; trying again`);
        if (event.kind === 'refused') onProblem(`the broker refused to ${event.operation}: ${event.reason}`);
      },
    });
    await publisher.start();
    return publisher;
  }

  /** @param join the address of one that another agent hosts; undefined to host it here. */
  async #embeddedUrl(join: string | undefined): Promise<string | undefined> {
    const { config, onProblem } = this.#options;
    if (!config.mqtt.embedded.enabled) return undefined;
    if (join !== undefined) return join;
    const { host, port } = config.mqtt.embedded;
    const broker = new EmbeddedBroker({
      host,
      port,
      onClientError: (client, error) =>
        onProblem(`client ${client ?? 'without a name'} of the broker: ${errorMessage(error)}`),
    });
    const url = await broker.start();
    this.#broker = broker;
    return url;
  }
}

/** @param key of the configuration, for the error. */
function readSecretFile(path: string, key: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MemtideError({
      operation: 'read a file for the broker',
      object: path,
      expected: 'a file that this user may read',
      actual: errorCode(cause) ?? errorMessage(cause),
      remedy: `correct ${key}`,
      cause,
      exitCode: EXIT.config,
    });
  }
}
