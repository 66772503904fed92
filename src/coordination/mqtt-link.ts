import type { Clock } from '../clock.ts';
import { MemtideError } from '../errors.ts';
import { MODES, type Mode } from '../records.ts';
import type { BackendCall } from './agent-protocol.ts';
import type { BackendLink, BackendLinkEvents } from './backend-link.ts';
import type { CoordinationFields, CoordinationPort } from './coordination-port.ts';
import { type Envelope, envelopeOf, LinkOrder, newEpoch } from './link-order.ts';
import { callFields, parseFields, readNotice } from './link-wire.ts';

/** What a back end tells a domain that shares no memory with it. */
export interface RemoteWelcome {
  readonly epoch: number;
  readonly mode: Mode;
  /** Where the budget of the domain's programs stands, by the back end's books. */
  readonly budgetBytes?: number;
}

/** Who says nothing for so long is away. */
export const SILENCE_MILLIS = 5000;
/** How often either side says something, if only that it is there. */
export const HERE_MILLIS = 1000;

export interface MqttLinkOptions {
  readonly port: CoordinationPort;
  /** The name under which the back end takes part. */
  readonly backend: string;
  readonly events: BackendLinkEvents<RemoteWelcome>;
  readonly clock: Clock;
  /** Where the budget of the domain's programs stands, once there is one. */
  readonly limitBytes?: () => number | undefined;
  /** The domain is linked otherwise too; this is a second way for its requests. */
  readonly sharesMemory?: boolean;
  /** How long `start` waits to be let in. 10 s by default; a second way waits for ever. */
  readonly startMillis?: number;
  /** Between two looks at the time. 250 by default. */
  readonly tickMillis?: number;
}

/**
 * The link to a back end over MQTT: `<base>/<vehicle>/<domain>/coord/<back end>` one way, the names changed the other way.
 * QoS 1 may double and a broker that is killed may lose; `LinkOrder` and the repetition of what is not answered mend that.
 */
export class MqttLink implements BackendLink<RemoteWelcome> {
  readonly epoch: number;
  readonly #options: MqttLinkOptions;
  #order: LinkOrder | undefined;
  /** The youngest back end that was ever heard of. */
  #backendEpoch = 0;
  #said = 0;
  #heardMicros = 0;
  #saidMicros = Number.NEGATIVE_INFINITY;
  #hellos = 0;
  #reason = '';
  #timer: NodeJS.Timeout | undefined;
  #first: { readonly let: (welcome: RemoteWelcome) => void; readonly refuse: (reason: string) => void } | undefined;

  constructor(options: MqttLinkOptions) {
    this.#options = options;
    this.epoch = newEpoch(options.clock.wallMillis());
  }

  get isUp(): boolean {
    return this.#order !== undefined;
  }

  start(): Promise<RemoteWelcome> {
    const { port, tickMillis = 250, startMillis = 10_000, sharesMemory } = this.#options;
    port.listen((from, content) => this.#hear(from, content));
    this.#timer = setInterval(() => this.#tick(), tickMillis);
    return new Promise((resolve, reject) => {
      const late = sharesMemory ? undefined : setTimeout(() => this.#first?.refuse('no answer'), startMillis);
      this.#first = {
        let: (welcome) => {
          clearTimeout(late);
          resolve(welcome);
        },
        refuse: (reason) => {
          clearTimeout(late);
          clearInterval(this.#timer);
          reject(this.#notLetIn(reason));
        },
      };
      this.#tick();
    });
  }

  tell(call: BackendCall): boolean {
    const fields = callFields(call);
    return fields !== undefined && this.#order !== undefined && this.#say(this.#order.next(), fields);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#order) this.#say(this.#order.next(), { op: 'bye' });
    this.#order = undefined;
    this.#first = undefined;
    this.#options.port.listen(() => {});
  }

  #say(envelope: Envelope, fields: CoordinationFields): boolean {
    this.#said = Math.max(this.#said, envelope.link_seq);
    this.#saidMicros = this.#options.clock.monotonicMicros();
    return this.#options.port.send(this.#options.backend, { ...fields, ...envelope });
  }

  #tick(): void {
    const now = this.#options.clock.monotonicMicros();
    if (this.#order && now - this.#heardMicros > SILENCE_MILLIS * 1000) this.#lost('the back end is silent');
    const silent = now - this.#saidMicros;
    if (this.#order) {
      if (silent >= HERE_MILLIS * 1000) this.#say(this.#order.next(), { op: 'here' });
    } else if (silent >= Math.min(2000, 100 * 2 ** this.#hellos) * 1000) this.#hello();
  }

  #hello(): void {
    const { limitBytes, sharesMemory = false } = this.#options;
    const limit = limitBytes?.();
    const said = this.#say(
      { epoch: this.epoch, to_epoch: 0, link_seq: this.#said + 1 },
      { op: 'hello', shares_memory: sharesMemory, ...(limit === undefined ? {} : { limit_bytes: limit }) },
    );
    if (said) this.#hellos++;
  }

  #hear(from: string, content: Buffer): void {
    if (from !== this.#options.backend) return;
    const fields = parseFields(content);
    const envelope = fields && envelopeOf(fields);
    if (!fields || !envelope) return;
    if (fields.op === 'who') this.#meet(envelope);
    else if (fields.op === 'welcome') this.#welcome(envelope, fields);
    else if (fields.op === 'refused') this.#refused(envelope, String(fields.error));
    else if (this.#order?.accepts(envelope)) {
      this.#heardMicros = this.#options.clock.monotonicMicros();
      const notice = readNotice(fields);
      if (notice) this.#options.events.notice(notice);
      else if (fields.op === 'bye') this.#lost('the back end has ended');
    }
  }

  /** A back end has begun its life and asks who is there. */
  #meet({ epoch }: Envelope): void {
    if (epoch <= this.#backendEpoch) return;
    this.#backendEpoch = epoch;
    if (this.#order) this.#lost('the back end has been started anew');
    this.#hello();
  }

  #welcome({ epoch, to_epoch, link_seq }: Envelope, fields: Readonly<Record<string, unknown>>): void {
    // One for another life of this agent, of a back end that has ended, or the second answer to a second hello.
    if (to_epoch !== this.epoch || epoch < this.#backendEpoch || this.#order?.theirs === epoch) return;
    const mode = MODES.find((each) => each === fields.mode);
    if (mode === undefined) return;
    this.#backendEpoch = epoch;
    this.#order = new LinkOrder(this.epoch, epoch, link_seq, this.#said);
    this.#heardMicros = this.#options.clock.monotonicMicros();
    this.#hellos = 0;
    this.#reason = '';
    const budget = fields.budget_bytes;
    const welcome = { epoch, mode, ...(typeof budget === 'number' ? { budgetBytes: budget } : {}) };
    const first = this.#first;
    this.#first = undefined;
    if (first) first.let(welcome);
    else this.#options.events.joined(welcome);
  }

  #refused({ epoch, to_epoch }: Envelope, error: string): void {
    if (to_epoch !== this.epoch || epoch < this.#backendEpoch || this.#order) return;
    if (this.#first && !this.#options.sharesMemory) {
      this.#first.refuse(error);
      this.#first = undefined;
    } else this.#away(error);
  }

  #lost(reason: string): void {
    this.#order = undefined;
    this.#hellos = 0;
    this.#saidMicros = Number.NEGATIVE_INFINITY;
    this.#away(reason);
  }

  #away(reason: string): void {
    if (reason !== this.#reason) this.#options.events.away(reason);
    this.#reason = reason;
  }

  #notLetIn(actual: string): MemtideError {
    return new MemtideError({
      operation: 'join the back end over MQTT',
      object: this.#options.backend,
      expected: 'a back end on the same broker, with the same base topic and vehicle, that knows this domain',
      actual,
      remedy: 'give both sides the same mqtt.url, mqtt.base_topic and vehicle, and name the domain in "domains" there',
    });
  }
}
