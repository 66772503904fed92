import type { Clock } from '../clock.ts';
import type { BackendNotice } from './agent-protocol.ts';
import type { LinkHost, LinkServer } from './backend-link.ts';
import type { CoordinationFields, CoordinationPort } from './coordination-port.ts';
import { type Envelope, envelopeOf, LinkOrder, newEpoch } from './link-order.ts';
import { noticeFields, parseFields, readCall } from './link-wire.ts';
import { HERE_MILLIS, type RemoteWelcome, SILENCE_MILLIS } from './mqtt-link.ts';

interface Linked {
  readonly order: LinkOrder;
  /** It is linked otherwise too, and only requests for arena memory come this way. */
  readonly sharesMemory: boolean;
  heardMicros: number;
}

/** For so long a new back end asks who is there: those who were linked to its predecessor must hear of it. */
const ASKING_MILLIS = 10_000;

/** The back end's end of the MQTT links: domains that share no memory with it, and the second way of those that do. */
export class MqttLinkServer implements LinkServer {
  readonly epoch: number;
  readonly #port: CoordinationPort;
  readonly #host: LinkHost<Omit<RemoteWelcome, 'epoch'>>;
  readonly #domains: readonly string[];
  readonly #clock: Clock;
  readonly #linked = new Map<string, Linked>();
  /** The number of the last message to each domain, over all of its agents' lives. */
  readonly #said = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #askUntilMicros = 0;

  /** @param options.domains who may join. */
  constructor(options: {
    readonly port: CoordinationPort;
    readonly host: LinkHost<Omit<RemoteWelcome, 'epoch'>>;
    readonly domains: readonly string[];
    readonly clock: Clock;
  }) {
    this.#port = options.port;
    this.#host = options.host;
    this.#domains = options.domains;
    this.#clock = options.clock;
    this.epoch = newEpoch(options.clock.wallMillis());
  }

  async start(): Promise<void> {
    this.#port.listen((from, content) => this.#hear(from, content));
    this.#askUntilMicros = this.#clock.monotonicMicros() + ASKING_MILLIS * 1000;
    this.#timer = setInterval(() => this.#tick(), HERE_MILLIS / 2);
    this.#tick();
  }

  tell(domain: string, notice: BackendNotice): boolean {
    const linked = this.#linked.get(domain);
    return linked !== undefined && this.#say(domain, linked.order.next(), noticeFields(notice));
  }

  isLinked(domain: string): boolean {
    return this.#linked.get(domain)?.sharesMemory === false;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const [domain, { order }] of this.#linked) this.#say(domain, order.next(), { op: 'bye' });
    this.#linked.clear();
    this.#port.listen(() => {});
  }

  #say(domain: string, envelope: Envelope, fields: CoordinationFields): boolean {
    this.#said.set(domain, envelope.link_seq);
    return this.#port.send(domain, { ...fields, ...envelope });
  }

  /** To a domain that is not linked. */
  #sayTo(domain: string, to_epoch: number, fields: CoordinationFields): number {
    const link_seq = (this.#said.get(domain) ?? 0) + 1;
    this.#say(domain, { epoch: this.epoch, to_epoch, link_seq }, fields);
    return link_seq;
  }

  #tick(): void {
    const now = this.#clock.monotonicMicros();
    for (const domain of this.#domains) {
      const linked = this.#linked.get(domain);
      if (linked && now - linked.heardMicros > SILENCE_MILLIS * 1000) this.#drop(domain, linked);
      else if (linked) this.#say(domain, linked.order.next(), { op: 'here' });
      else if (now < this.#askUntilMicros) this.#sayTo(domain, 0, { op: 'who' });
    }
  }

  #drop(domain: string, { sharesMemory }: Linked): void {
    this.#linked.delete(domain);
    if (!sharesMemory) this.#host.left(domain);
  }

  #hear(domain: string, content: Buffer): void {
    const fields = parseFields(content);
    const envelope = fields && envelopeOf(fields);
    if (!fields || !envelope) return;
    if (!this.#domains.includes(domain)) {
      if (fields.op === 'hello') this.#turnAway(domain, envelope.epoch);
      return;
    }
    if (fields.op === 'hello') {
      this.#hello(domain, envelope, fields);
      return;
    }
    const linked = this.#linked.get(domain);
    if (!linked?.order.accepts(envelope)) return;
    linked.heardMicros = this.#clock.monotonicMicros();
    if (fields.op === 'bye') this.#drop(domain, linked);
    const call = readCall(fields);
    // Who shares memory says everything else on its own link, and who shares none cannot use arena memory.
    if (call && (call.op === 'need') === linked.sharesMemory) this.#host.call(domain, call);
  }

  /** Somebody whom nobody here knows; of them nothing is remembered. */
  #turnAway(domain: string, to_epoch: number): void {
    const error = `no domain "${domain}" here; there are ${this.#domains.join(', ')}`;
    this.#port.send(domain, { op: 'refused', error, epoch: this.epoch, to_epoch, link_seq: 1 });
  }

  #hello(domain: string, { epoch, link_seq }: Envelope, fields: Readonly<Record<string, unknown>>): void {
    const linked = this.#linked.get(domain);
    if (linked?.order.theirs === epoch && linked.order.isPast(link_seq)) return; // heard before
    // A later life ends the one before; an earlier one is a message that was late, or a second agent.
    if (linked && epoch < linked.order.theirs) {
      this.#sayTo(domain, epoch, { op: 'refused', error: `domain "${domain}" has an agent already` });
      return;
    }
    const sharesMemory = fields.shares_memory === true;
    const admitted = this.#host.admit(domain, sharesMemory);
    if (!admitted.ok) {
      this.#sayTo(domain, epoch, { op: 'refused', error: admitted.error });
      return;
    }
    if (linked) this.#drop(domain, linked);
    const { mode, budgetBytes } = admitted.welcome;
    const budget = budgetBytes === undefined ? {} : { budget_bytes: budgetBytes };
    const said = this.#sayTo(domain, epoch, { op: 'welcome', mode, ...budget });
    const order = new LinkOrder(this.epoch, epoch, link_seq, said);
    this.#linked.set(domain, { order, sharesMemory, heardMicros: this.#clock.monotonicMicros() });
    const limit = fields.limit_bytes;
    if (!sharesMemory) this.#host.joined(domain, Number.isSafeInteger(limit) ? (limit as number) : undefined);
  }
}
