/**
 * What the agents of one vehicle publish, as lines of a drive, and the way back: marks. Listens as any tool on the broker
 * could. A broker that is down, or not there yet, is a state and no error: it is tried again until `stop`.
 */
import { randomUUID } from 'node:crypto';
import type { MqttClient } from 'mqtt';
import type { Clock } from '../../clock.ts';
import { errorCode, errorMessage } from '../../errors.ts';
import { brokerAddress, streamOpener } from '../../telemetry/connection.ts';
import { messageLine } from '../../telemetry/drive/format.ts';
import type { MarkSource } from '../../telemetry/reporter.ts';
import { parseTopic, REPORTS, type Report, topicOf } from '../../telemetry/topics.ts';
import { readReport } from '../../telemetry/wire-read.ts';

export interface BrokerAccess {
  readonly url: string;
  readonly base: string;
  /** Left out: the first vehicle that is heard. */
  readonly vehicle?: string;
  readonly username?: string;
  readonly password?: string;
  readonly certificateAuthority?: string;
}

export interface BrokerState {
  readonly url: string;
  readonly state: 'connecting' | 'connected' | 'lost';
  /** Why it is not connected. */
  readonly reason?: string;
  /** Unix time of the last change, in milliseconds. */
  readonly sinceMillis: number;
  readonly vehicle?: string;
  /** Messages that were not as the schema wants them. */
  readonly refused: number;
  /** Other vehicles that were heard on the same broker, and are not shown. */
  readonly otherVehicles: number;
}

export type MarkOutcome =
  | { readonly ok: true; readonly domain: string }
  | { readonly ok: false; readonly reason: string };

export interface BrokerFeedOptions {
  readonly broker: BrokerAccess;
  readonly clock: Clock;
  readonly onLine: (line: string, report: Report, domain: string) => void;
  readonly onState: (state: BrokerState) => void;
}

const RECONNECT_MILLIS = 1000;
/** How long an agent may take to answer a mark. */
const ANSWER_MILLIS = 10_000;
/** Most vehicles that are told apart on one broker; only their number is shown. */
const MOST_VEHICLES = 1000;

export class BrokerFeed {
  readonly #options: BrokerFeedOptions;
  #client: MqttClient | undefined;
  #state: BrokerState;
  readonly #others = new Set<string>();
  /** Domains that take marks: those that report memory of their own, by when they were heard last. */
  readonly #domains = new Map<string, number>();
  readonly #awaited = new Map<string, (outcome: MarkOutcome) => void>();

  constructor(options: BrokerFeedOptions) {
    this.#options = options;
    const { url, vehicle } = options.broker;
    this.#state = {
      url,
      state: 'connecting',
      sinceMillis: options.clock.wallMillis(),
      ...(vehicle && { vehicle }),
      refused: 0,
      otherVehicles: 0,
    };
  }

  get state(): BrokerState {
    return this.#state;
  }

  /** Begins to connect. Does not wait for a connection. */
  async start(): Promise<void> {
    const { url, base, vehicle, username, password, certificateAuthority } = this.#options.broker;
    const [{ default: mqtt }, open] = await Promise.all([
      import('mqtt/lib/client'),
      streamOpener(brokerAddress(url), certificateAuthority),
    ]);
    const client = new mqtt.default(() => open(), {
      clientId: `memtide-dashboard-${randomUUID().slice(0, 8)}`,
      clean: true,
      protocolId: 'MQTT',
      protocolVersion: 4,
      keepalive: 15,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      queueQoSZero: false,
      resubscribe: false,
      reconnectOnConnackError: true,
      reconnectPeriod: RECONNECT_MILLIS,
      connectTimeout: 5000,
      log: () => {},
    });
    this.#client = client;
    client.on('connect', () => {
      const filters = [...REPORTS, 'rsp/mark'].map((leaf) => `${base}/${vehicle ?? '+'}/+/${leaf}`);
      client.subscribe(filters, { qos: 1 }, (error) => {
        if (error) this.#change('lost', `the broker refused the subscription: ${errorMessage(error)}`);
        else this.#change('connected');
      });
    });
    let reason: string | undefined;
    client.on('error', (error) => {
      reason = errorMessage(error) || errorCode(error);
    });
    client.on('close', () => {
      if (this.#client === client) this.#change('lost', reason ?? 'the connection was closed');
      reason = undefined;
    });
    client.on('message', (topic, content) => this.#heard(topic, content));
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await new Promise<void>((resolve) => (client ? client.end(true, {}, () => resolve()) : resolve()));
  }

  /** Has the domain that was heard last publish a mark. Resolves with its answer, or why there is none. */
  mark(source: MarkSource, label: string | undefined): Promise<MarkOutcome> {
    const { base } = this.#options.broker;
    const { vehicle, state } = this.#state;
    const domain = [...this.#domains].sort(([, a], [, b]) => b - a)[0]?.[0];
    const client = this.#client;
    if (!client || state !== 'connected') return Promise.resolve({ ok: false, reason: 'the broker is not connected' });
    if (vehicle === undefined || domain === undefined) {
      return Promise.resolve({ ok: false, reason: 'no agent has been heard that could write it down' });
    }
    const txn = randomUUID();
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle({ ok: false, reason: `${domain} does not answer` }), ANSWER_MILLIS);
      const settle = (outcome: MarkOutcome): void => {
        clearTimeout(timer);
        this.#awaited.delete(txn);
        resolve(outcome);
      };
      this.#awaited.set(txn, settle);
      const command = JSON.stringify({ v: 1, txn, source, ...(label === undefined ? {} : { label }) });
      client.publish(topicOf({ base, vehicle, domain }, 'cmd/mark'), command, { qos: 1 });
    });
  }

  #heard(topic: string, content: Buffer): void {
    const parsed = parseTopic(this.#options.broker.base, topic);
    if (!parsed) return;
    const { vehicle, domain, leaf } = parsed;
    if (this.#state.vehicle === undefined) this.#update({ vehicle });
    if (vehicle !== this.#state.vehicle) this.#heardOther(vehicle);
    else if (leaf === 'rsp/mark') this.#answered(domain, content);
    else if (isReport(leaf)) this.#report(leaf, domain, content);
  }

  #report(leaf: Report, domain: string, content: Buffer): void {
    const read = readReport(leaf, content);
    if (!read.ok) {
      this.#update({ refused: this.#state.refused + 1 });
      return;
    }
    const rxMillis = this.#options.clock.monotonicMicros() / 1000;
    if (leaf === 'tele/mem') this.#domains.set(domain, rxMillis);
    this.#options.onLine(messageLine({ report: leaf, domain, rxMillis, payload: read.payload }), leaf, domain);
  }

  #heardOther(vehicle: string): void {
    if (this.#others.has(vehicle) || this.#others.size >= MOST_VEHICLES) return;
    this.#others.add(vehicle);
    this.#update({ otherVehicles: this.#others.size });
  }

  #answered(domain: string, content: Buffer): void {
    let answer: { readonly txn?: unknown; readonly ok?: unknown; readonly error?: unknown };
    try {
      answer = Object(JSON.parse(content.toString()));
    } catch {
      return;
    }
    const settle = typeof answer.txn === 'string' ? this.#awaited.get(answer.txn) : undefined;
    if (answer.ok === true) settle?.({ ok: true, domain });
    else settle?.({ ok: false, reason: String(answer.error ?? 'it was refused').slice(0, 1024) });
  }

  #change(state: BrokerState['state'], reason?: string): void {
    const { reason: _, ...rest } = this.#state;
    const since = state === rest.state ? rest.sinceMillis : this.#options.clock.wallMillis();
    this.#state = { ...rest, state, sinceMillis: since, ...(reason === undefined ? {} : { reason }) };
    this.#options.onState(this.#state);
  }

  #update(news: Partial<BrokerState>): void {
    this.#state = { ...this.#state, ...news };
    this.#options.onState(this.#state);
  }
}

const isReport = (leaf: string): leaf is Report => (REPORTS as readonly string[]).includes(leaf);
