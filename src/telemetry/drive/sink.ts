/**
 * A sink: hears what the agents of a broker report, checks it, has it recorded, and tells each spool what is on disk here. Its
 * session is clean: what a broker forgets, the spools send again.
 */
import type { MqttClient } from 'mqtt';
import { errorMessage } from '../../errors.ts';
import { brokerAddress, streamOpener } from '../connection.ts';
import { parseTopic, REPORTS, type Report, watermarkTopic } from '../topics.ts';
import { readReport } from '../wire-read.ts';
import type { DriveRecorder } from './recorder.ts';

export interface DriveSinkOptions {
  readonly recorder: DriveRecorder;
  /** `mqtt://host[:port]` or `mqtts://host[:port]`. */
  readonly url: string;
  readonly base: string;
  /** Only this one's. */
  readonly vehicle?: string | undefined;
  /** 4 is MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly keepaliveSeconds: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM. */
  readonly certificateAuthority?: string | undefined;
  /** Hears of each change of the connection. */
  readonly onConnection?: (state: 'connected' | { readonly lost: string }) => void;
  /** Time between two flushes of the recorder. 1000 by default: what a power cut can take here, the spools still have. */
  readonly flushMillis?: number;
}

export interface SinkStatus {
  readonly connected: boolean;
  /** Messages that were not as the schema wants them. */
  readonly invalid: number;
}

/** Spools count the time for which a sink lacks something: they have to hear of it again, for some ten seconds. */
const REPEAT_MILLIS = 2000;
const EAGER_REPEATS = 8;
/** From then on where nothing is new: in case that what is lacking is the newest, which nobody here can know. */
const QUIET_REPEATS = 15;
const RECONNECT_MILLIS = 1000;
const STOP_MILLIS = 2000;

export class DriveSink {
  readonly #options: DriveSinkOptions;
  readonly #said = new Map<string, { readonly text: string; readonly same: number }>();
  #client: MqttClient | undefined;
  #timers: NodeJS.Timeout[] = [];
  #invalid = 0;
  #lost: string | undefined;

  constructor(options: DriveSinkOptions) {
    this.#options = options;
  }

  /** Begins to connect, and goes on trying until `stop`. The recorder must have been started. */
  async start(): Promise<void> {
    const { url, base, vehicle, protocolVersion, keepaliveSeconds, username, password } = this.#options;
    // The client alone, as in the publisher: the package's entry costs 4 MiB more.
    const [{ default: mqtt }, open] = await Promise.all([
      import('mqtt/lib/client'),
      streamOpener(brokerAddress(url), this.#options.certificateAuthority),
    ]);
    const client = new mqtt.default(() => open(), {
      clientId: `memtide-sink-${process.getBuiltinModule('node:crypto').randomBytes(6).toString('hex')}`,
      clean: true,
      keepalive: keepaliveSeconds,
      protocolId: 'MQTT',
      protocolVersion,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      queueQoSZero: false,
      resubscribe: false,
      reconnectOnConnackError: true,
      reconnectPeriod: RECONNECT_MILLIS,
      log: () => {},
    });
    this.#client = client;
    client.on('connect', () => {
      this.#said.clear();
      this.#lost = undefined;
      const filters = REPORTS.map((report) => `${base}/${vehicle ?? '+'}/+/${report}`);
      client.subscribe(filters, { qos: 1 }, (error, granted) => {
        const refused = error ? errorMessage(error) : granted?.some(({ qos }) => qos >= 128) && 'not authorized';
        if (refused) this.#lose(`the broker refused the subscription: ${refused}`);
        else this.#options.onConnection?.('connected');
      });
    });
    client.on('error', (error) => this.#lose(errorMessage(error)));
    client.on('close', () => this.#lose('the connection was closed'));
    client.on('message', (topic, content) => this.#heard(topic, content));
    const { recorder, flushMillis = 1000 } = this.#options;
    this.#timers = [
      setInterval(() => void recorder.flush().then(() => this.#say(false)), flushMillis),
      setInterval(() => this.#say(true), Math.max(flushMillis, REPEAT_MILLIS)),
    ];
  }

  /** Ends the connection, brings everything to the disk, and ends the recorder. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const client = this.#client;
    client?.removeAllListeners('message');
    await this.#options.recorder.stop();
    this.#say(false);
    this.#client = undefined;
    if (!client) return;
    await new Promise<void>((resolve) => {
      // A broker that hangs is not waited for.
      const timer = setTimeout(() => client.end(true, {}, () => resolve()), STOP_MILLIS);
      client.end(!client.connected, {}, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  status(): SinkStatus {
    return { connected: this.#client?.connected === true, invalid: this.#invalid };
  }

  #heard(topic: string, content: Buffer): void {
    const parsed = parseTopic(this.#options.base, topic);
    if (!parsed || !isReport(parsed.leaf)) return;
    const { vehicle, domain, leaf: report } = parsed;
    const read = readReport(report, content);
    if (!read.ok) this.#invalid++;
    else this.#options.recorder.take({ vehicle, domain, report, payload: read.payload });
  }

  /** Tells the spools what is new; @param repeats also what they lack still. */
  #say(repeats: boolean): void {
    const client = this.#client;
    if (!client?.connected) return;
    for (const { vehicle, domain, said } of this.#options.recorder.words()) {
      const topic = watermarkTopic({ base: this.#options.base, vehicle, domain });
      const text = JSON.stringify(said);
      const last = this.#said.get(`${topic} ${said.spool}`);
      const same = last?.text === text ? last.same + (repeats ? 1 : 0) : 0;
      const isEager = said.missing !== undefined || same <= EAGER_REPEATS || same % QUIET_REPEATS === 0;
      const isDue = last?.text !== text || (repeats && isEager);
      this.#said.set(`${topic} ${said.spool}`, { text, same });
      if (isDue) client.publish(topic, text, { qos: 1, retain: true }, () => {});
    }
  }

  #lose(reason: string): void {
    if (this.#lost !== undefined || !this.#client) return;
    this.#lost = reason;
    this.#options.onConnection?.({ lost: reason });
  }
}

const isReport = (leaf: string): leaf is Report => (REPORTS as readonly string[]).includes(leaf);
