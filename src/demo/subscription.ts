import type { MqttClient } from 'mqtt';
import { EXIT, errorMessage, MemtideError } from '../errors.ts';
import { brokerAddress, streamOpener } from '../telemetry/connection.ts';
import { parseTopic, REPORTS, type Report } from '../telemetry/topics.ts';
import { readReport } from '../telemetry/wire-read.ts';
import type { ReportMessage } from './demo-state.ts';

/** Hears everything that the agents publish, as any tool on the broker could. */
export interface SubscriptionOptions {
  readonly brokerUrl: string;
  readonly base: string;
  readonly onReport: (message: ReportMessage) => void;
}

export class Subscription {
  readonly #options: SubscriptionOptions;
  #client: MqttClient | undefined;
  #refused = 0;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Messages that were not as the schema wants them. */
  get refused(): number {
    return this.#refused;
  }

  /** Resolves when the broker has taken the subscription. @throws MemtideError when it does not. */
  async start(): Promise<void> {
    const { brokerUrl, base } = this.#options;
    // The client alone, as in the publisher: the package's entry costs 4 MiB more.
    const [{ default: mqtt }, open] = await Promise.all([
      import('mqtt/lib/client'),
      streamOpener(brokerAddress(brokerUrl)),
    ]);
    const client = new mqtt.default(() => open(), { log: () => {}, queueQoSZero: false, manualConnect: true });
    this.#client = client;
    client.on('message', (topic, content) => this.#heard(topic, content));
    const subscribed = new Promise<void>((resolve, reject) => {
      const failed = (cause: unknown): void =>
        reject(
          new MemtideError({
            operation: 'listen to the agents',
            object: brokerUrl,
            expected: 'the broker of the back end',
            actual: errorMessage(cause),
            remedy: 'look into the log folder for what the back end says',
            cause,
            exitCode: EXIT.unavailable,
          }),
        );
      client.on('error', failed);
      client.once('connect', () => {
        client.subscribe(
          REPORTS.map((report) => `${base}/+/+/${report}`),
          { qos: 1 },
          (error) => (error ? failed(error) : resolve()),
        );
      });
      client.connect();
    });
    try {
      await subscribed;
    } catch (error) {
      await this.stop(); // and with it the client's own attempts
      throw error;
    }
    // From here on the client reconnects by itself; what fails shows as figures that stand still.
    client.removeAllListeners('error').on('error', () => {});
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await new Promise<void>((resolve) => (client ? client.end(true, {}, () => resolve()) : resolve()));
  }

  #heard(topic: string, content: Buffer): void {
    const parsed = parseTopic(this.#options.base, topic);
    if (!parsed || !isReport(parsed.leaf)) return;
    const { leaf: report, domain } = parsed;
    const read = readReport(report, content);
    if (read.ok) this.#options.onReport({ report, domain, payload: read.payload } as ReportMessage);
    else this.#refused++;
  }
}

const isReport = (leaf: string): leaf is Report => (REPORTS as readonly string[]).includes(leaf);
