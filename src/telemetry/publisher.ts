/**
 * The uplink over MQTT: keeps one connection, publishes birth and state, sends reports, answers commands. A broker that
 * is down is no error: it is reported once, the rest runs, and what cannot be kept meanwhile is counted.
 *
 * What MQTT.js does on its own and must not: it queues without bound while offline, so messages are handed to it only
 * while it is connected and at most 32 at a time; a random client id would leave ghosts, so it is fixed; a table of all
 * packet numbers would be the largest part of a small agent, so it is left out.
 */
import type { MqttClient } from 'mqtt';
import { errorCode, errorMessage } from '../errors.ts';
import type { Answer, CommandDispatcher } from './commands.ts';
import { brokerAddress, type OpenStream, streamOpener } from './connection.ts';
import { MAX_CONTENT_BYTES, type SentKind } from './kinds.ts';
import { type Outgoing, OutgoingQueue } from './outgoing-queue.ts';
import { Presence } from './presence.ts';
import type { FlowReport, ReportSink } from './reporter.ts';
import type { ReportPayload } from './schema.ts';
import {
  commandFilter,
  coordinationFilter,
  type Leaf,
  parseTopic,
  topicOf,
  verbOf,
  WATERMARK,
  watermarkTopic,
} from './topics.ts';
import type { PublisherOptions, UplinkStatus } from './uplink.ts';

/** Brokers of MQTT 5 may ask for less; 32 is far below what any broker buffers, and hides a round trip of 100 ms. */
const MAX_IN_FLIGHT = 32;
const MAX_RECONNECT_MILLIS = 30_000;
/** A guest on an emulated board takes 7 s to connect. */
const CONNECT_TIMEOUT_MILLIS = 20_000;
/**
 * A connection that ends sooner did not stand: the delay goes on growing. Two agents of one name end each other's
 * connection for ever, and should not do it twice a second.
 */
const STANDING_MICROS = 10_000_000;
/** How often the retained state follows what it tells, where that changes. */
const STATE_MILLIS = 5000;

const KIND_OF: Readonly<Record<FlowReport, SentKind>> = {
  'tele/mem': 'mem',
  'tele/psi': 'psi',
  'tele/alloc': 'alloc',
  'event/burst': 'burst',
  'event/mark': 'mark',
};
/** A reading is followed by the next: QoS 0. Everything else is acknowledged. */
const isReading = (kind: SentKind): boolean => kind === 'mem' || kind === 'psi' || kind === 'alloc';

export class Publisher implements ReportSink {
  readonly #options: PublisherOptions;
  readonly #queue: OutgoingQueue;
  #dispatcher: Promise<CommandDispatcher> | undefined;
  readonly #presence: Presence;
  #client: MqttClient | undefined;
  #stream: ReturnType<OpenStream> | undefined;
  #connected = false;
  #connections = 0;
  #connectedAt = 0;
  #mayBeInFlight = MAX_IN_FLIGHT;
  #failures = 0;
  #reason: string | undefined;
  #outageReported = false;
  #stateTimer: NodeJS.Timeout | undefined;
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#queue = options.queue ?? new OutgoingQueue();
    this.#presence = new Presence(options, this.#queue);
  }

  /** Begins to connect, and goes on trying until `stop`. Resolves before a connection stands. */
  async start(): Promise<void> {
    if (this.#client) return;
    const { url, owner, keepaliveSeconds, protocolVersion, username, password, certificateAuthority } = this.#options;
    // The client alone, loaded when it is wanted: the package's entry costs 4 MiB more.
    const [{ default: mqtt }, open] = await Promise.all([
      import('mqtt/lib/client'),
      streamOpener(brokerAddress(url), certificateAuthority),
    ]);
    const client = new mqtt.default(() => this.#open(open), {
      clientId: `memtide-${owner.vehicle}-${owner.domain}`,
      clean: true,
      keepalive: keepaliveSeconds,
      protocolId: 'MQTT',
      protocolVersion,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      // A table of all 65,536 packet numbers, 7 MiB of small buffers, to save making two bytes for each packet.
      writeCache: false,
      queueQoSZero: false,
      resubscribe: false,
      reconnectOnConnackError: true,
      reconnectPeriod: this.#reconnectDelay(),
      connectTimeout: CONNECT_TIMEOUT_MILLIS,
      will: { topic: topicOf(owner, 'state'), payload: Buffer.from(this.#presence.will()), qos: 1, retain: true },
      log: () => {},
    });
    this.#client = client;
    this.#stateTimer = setInterval(() => {
      if (this.#connected && this.#presence.hasChanged) this.#publishOnline(client);
    }, this.#options.stateMillis ?? STATE_MILLIS).unref();
    client.on('connect', ({ properties }) => this.#onConnect(client, properties?.receiveMaximum));
    // Before MQTT.js' own listener, which takes up the delay that this one sets.
    client.prependListener('close', () => this.#onClose(client));
    client.on('error', (error) => {
      // A name with several addresses fails with an AggregateError, whose message is empty.
      if (this.#client === client) this.#reason = errorMessage(error) || (errorCode(error) ?? 'unknown error');
    });
    client.on('disconnect', ({ reasonCode }) => {
      this.#reason = `the broker ended the connection with reason code ${reasonCode}`;
    });
    client.on('message', (topic, content, { retain }) => void this.#onMessage(topic, content, retain));
  }

  /** Says goodbye: the retained state becomes `offline`, `stopped`, and what is under way is waited for, briefly. */
  async stop(): Promise<void> {
    const client = this.#client;
    if (!client) return;
    clearInterval(this.#stateTimer);
    // What the spool has yet to send waits there.
    this.#options.spool?.disconnect();
    if (this.#connected) {
      this.#publishRetained(client, 'state', this.#presence.state('offline', 'stopped'));
      await this.#idle();
    }
    this.#client = undefined;
    this.#connected = false;
    this.#reason = undefined;
    await this.#end(client);
    this.#options.spool?.release();
  }

  take<Kind extends FlowReport>(report: Kind, payload: ReportPayload<Kind>): void {
    if (this.#options.spool?.keep(report, payload) !== undefined) return;
    this.#enqueue(KIND_OF[report], report, payload);
  }

  /**
   * Sends `coord/<to>` of this domain: a message to another one.
   * @returns false without a connection: what is late is of no use to whoever coordinates, and is not kept.
   * @throws MemtideError when `to` cannot be a topic level.
   */
  coordinate(to: string, fields: Readonly<Record<string, string | number | boolean>>): boolean {
    if (!this.#connected) return false;
    this.#enqueue('coord', `coord/${to}`, { ...fields, ...this.#options.stamper.stamp('coord') });
    return true;
  }

  /** Who speaks is no longer quite as it was at the start: the retained birth follows. */
  announce(change: Partial<PublisherOptions['birth']>): void {
    this.#presence.change(change);
    if (this.#client && this.#connected) this.#publishRetained(this.#client, 'info', this.#presence.info());
  }

  status(): UplinkStatus {
    return {
      state: this.#client === undefined ? 'stopped' : this.#connected ? 'connected' : 'connecting',
      ...(this.#reason === undefined || this.#connected ? {} : { reason: this.#reason }),
      connections: this.#connections,
      queued: this.#queue.length,
      inFlight: this.#inFlight,
      dropped: this.#queue.dropped,
    };
  }

  #open(open: OpenStream): ReturnType<OpenStream> {
    const stream = open();
    stream.on('drain', () => this.#pump());
    this.#stream = stream;
    return stream;
  }

  #onConnect(client: MqttClient, receiveMaximum = MAX_IN_FLIGHT): void {
    this.#connected = true;
    this.#connections++;
    this.#connectedAt = this.#options.clock.monotonicMicros();
    this.#mayBeInFlight = Math.min(MAX_IN_FLIGHT, receiveMaximum);
    this.#reason = undefined;
    this.#outageReported = false;
    const { owner, onCoordination, spool } = this.#options;
    this.#publishRetained(client, 'info', this.#presence.info());
    this.#publishOnline(client);
    this.#subscribe(client, commandFilter(owner));
    if (onCoordination) this.#subscribe(client, coordinationFilter(owner));
    if (spool) this.#subscribe(client, watermarkTopic(owner));
    this.#options.onEvent?.({ kind: 'connected' });
    spool?.connect(() => this.#pump());
    this.#pump();
  }

  #onClose(client: MqttClient): void {
    if (this.#client !== client) return;
    const stood = this.#connected && this.#options.clock.monotonicMicros() - this.#connectedAt >= STANDING_MICROS;
    this.#connected = false;
    this.#options.spool?.disconnect();
    this.#failures = stood ? 0 : this.#failures + 1;
    client.options.reconnectPeriod = this.#reconnectDelay();
    this.#reason ??= 'the connection was closed';
    if (this.#outageReported) return;
    this.#outageReported = true;
    this.#options.onEvent?.({ kind: 'disconnected', reason: this.#reason });
  }

  /** Doubles with each failure and is spread over its upper half, so that a fleet does not come back in one moment. */
  #reconnectDelay(): number {
    const { reconnectMillis = 500, random = Math.random } = this.#options;
    const longest = Math.min(MAX_RECONNECT_MILLIS, reconnectMillis * 2 ** Math.min(this.#failures, 16));
    return Math.ceil(longest * (0.5 + random() / 2));
  }

  #subscribe(client: MqttClient, filter: string): void {
    client.subscribe(filter, { qos: 1 }, (error, granted) => {
      const refused = error
        ? errorMessage(error)
        : granted?.some(({ qos }) => qos >= 128)
          ? 'not authorized'
          : undefined;
      if (refused !== undefined && this.#connected) {
        this.#options.onEvent?.({ kind: 'refused', operation: `subscribe to ${filter}`, reason: refused });
      }
    });
  }

  async #onMessage(topic: string, content: Buffer, retained: boolean): Promise<void> {
    const { owner, onCoordination } = this.#options;
    const parsed = parseTopic(owner.base, topic);
    if (!parsed) return;
    if (parsed.leaf === `coord/${owner.domain}`) {
      const isOther = parsed.vehicle === owner.vehicle && parsed.domain !== owner.domain;
      if (isOther && !retained) onCoordination?.(parsed.domain, content);
      return;
    }
    if (parsed.leaf === WATERMARK) {
      this.#options.spool?.hear(content);
      return;
    }
    const verb = verbOf(parsed.leaf);
    if (verb === undefined) return;
    this.#dispatcher ??= this.#loadDispatcher();
    const answer = await (await this.#dispatcher).answer({ verb, content, retained });
    this.#enqueue('rsp', `rsp/${verb}`, this.#stamped(answer));
  }

  async #loadDispatcher(): Promise<CommandDispatcher> {
    const { CommandDispatcher } = await import('./commands.ts');
    return new CommandDispatcher((await this.#options.commands?.()) ?? {});
  }

  #stamped(answer: Answer): object {
    return { ...answer, ...this.#options.stamper.stamp('rsp') };
  }

  #enqueue(kind: SentKind, leaf: Leaf, payload: object): void {
    const topic = topicOf(this.#options.owner, leaf);
    const content = JSON.stringify(payload);
    if (content.length > MAX_CONTENT_BYTES) {
      this.#queue.countDropped(kind);
      const reason = `${content.length} bytes, more than the ${MAX_CONTENT_BYTES} that are sent`;
      this.#options.onEvent?.({ kind: 'refused', operation: `publish ${leaf}`, reason });
      return;
    }
    this.#queue.push({ kind, topic, content });
    this.#pump();
  }

  /** Hands messages over for as long as the connection takes them. */
  #pump(): void {
    while (
      this.#client?.connected &&
      this.#connected &&
      this.#inFlight < this.#mayBeInFlight &&
      !this.#stream?.writableNeedDrain
    ) {
      const next = this.#queue.shift();
      if (next) this.#send(this.#client, next);
      else if (!this.#sendStored(this.#client)) {
        if (this.#presence.hasNewDrops) this.#publishOnline(this.#client);
        return;
      }
    }
  }

  #send(client: MqttClient, { kind, topic, content }: Outgoing): void {
    if (isReading(kind)) client.publish(topic, content, { qos: 0 });
    else this.#publishAcknowledged(client, topic, content, { onRefused: () => this.#queue.countDropped(kind) });
  }

  /** @returns whether the spool had something to send now. */
  #sendStored(client: MqttClient): boolean {
    const { spool, owner } = this.#options;
    const record = spool?.next();
    if (!spool || !record) return false;
    const { seq, leaf, content } = record;
    const topic = topicOf(owner, leaf as Leaf);
    const onTaken = () => spool.delivered(seq);
    this.#publishAcknowledged(client, topic, content, { onTaken, onRefused: () => spool.refused(seq) });
    return true;
  }

  #publishRetained<Kind extends 'state' | 'info'>(client: MqttClient, leaf: Kind, payload: ReportPayload<Kind>): void {
    this.#publishAcknowledged(client, topicOf(this.#options.owner, leaf), JSON.stringify(payload), { retain: true });
  }

  /** At each connection, when a queue that overflowed is empty again, and from time to time where something changes. */
  #publishOnline(client: MqttClient): void {
    this.#publishRetained(client, 'state', this.#presence.state('online'));
  }

  /** A connection that breaks meanwhile is no failure: MQTT.js sends again what was not acknowledged. */
  #publishAcknowledged(
    client: MqttClient,
    topic: string,
    content: string,
    {
      retain = false,
      onTaken,
      onRefused,
    }: { readonly retain?: boolean; readonly onTaken?: () => void; readonly onRefused?: () => void },
  ) {
    this.#inFlight++;
    client.publish(topic, content, { qos: 1, retain }, (error) => {
      this.#inFlight--;
      if (error) {
        onRefused?.();
        this.#options.onEvent?.({ kind: 'refused', operation: `publish ${topic}`, reason: errorMessage(error) });
      } else onTaken?.();
      this.#pump();
      if (this.#inFlight === 0 && this.#queue.length === 0) this.#onIdle?.();
    });
  }

  /** Resolves when everything is acknowledged, or after the time a stop may take. */
  #idle(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#stopMillis);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /**
   * Unforced, MQTT.js says DISCONNECT, on which the broker discards the will, but waits for ever for acknowledgements
   * and for the broker to hang up. So only where nothing is under way, and for the time a stop may take.
   */
  #end(client: MqttClient): Promise<void> {
    const stream = this.#stream;
    // A connection that ends while it is being made would have MQTT.js try again for ever, although it was told to end.
    client.options.reconnectPeriod = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        stream?.destroy();
        resolve();
      }, this.#stopMillis);
      client.end(!client.connected || this.#inFlight > 0, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  get #stopMillis(): number {
    return this.#options.stopMillis ?? 2000;
  }
}
