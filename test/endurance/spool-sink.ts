/** A sink as the protocol of the spool wants it: keeps a session, takes each id once, says how far it is. */
import assert from 'node:assert/strict';
import mqtt, { type MqttClient } from 'mqtt';
import { type Gap, gapOf } from '../../src/telemetry/spool/gap.ts';
import { NumberSet } from '../../src/telemetry/spool/number-set.ts';
import { MAX_MISSING } from '../../src/telemetry/spool/watermark.ts';

const TOPIC = 'memtide/car-7/cluster';
const HEARTBEAT_MILLIS = 200;

export class SpoolSink {
  readonly #client: MqttClient;
  readonly #timer: NodeJS.Timeout;
  readonly #has = new NumberSet();
  readonly #ids = new Map<string, string>();
  #spool: string | undefined;
  #changed: (() => void) | undefined;
  readonly labels = new Set<number>();
  readonly gaps = new Map<number, Gap>();
  duplicates = 0;
  historical = 0;
  live = 0;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (_topic, content) => this.#take(content.toString()));
    client.on('error', () => {});
    this.#timer = setInterval(() => this.#say(), HEARTBEAT_MILLIS);
  }

  static async join(url: string): Promise<SpoolSink> {
    const client = mqtt.connect(url, { clientId: 'sink', clean: false, reconnectPeriod: 20, queueQoSZero: false });
    const sink = new SpoolSink(client);
    await new Promise((resolve) => client.once('connect', resolve));
    await client.subscribeAsync([`${TOPIC}/tele/+`, `${TOPIC}/event/+`], { qos: 1 });
    return sink;
  }

  /** Different ones, gap records not counted. */
  get messages(): number {
    return this.#ids.size - this.gaps.size;
  }

  get watermark(): number {
    return this.#has.firstMissing(1) - 1;
  }

  /** Resolves when `wanted` holds; asked after each message. */
  async until(wanted: () => boolean): Promise<void> {
    while (!wanted()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client.endAsync(true);
  }

  #take(content: string): void {
    const { spool, boot, spool_seq: seq, label, cause, historical } = JSON.parse(content);
    // Sent past the spool, which had no room: its producer will report it again.
    if (spool === undefined) return;
    this.#spool = spool;
    if (historical) this.historical++;
    else this.live++;
    const id = `${spool} ${boot} ${seq}`;
    const text = cause === undefined ? label : `gap ${content.replace(',"historical":true', '')}`;
    const known = this.#ids.get(id);
    if (known !== undefined) {
      assert.equal(text, known, 'an id stands for one message');
      this.duplicates++;
    }
    this.#ids.set(id, text);
    this.#has.add(seq);
    if (cause === undefined) this.labels.add(Number(label));
    else {
      const gap = gapOf(seq, content);
      this.gaps.set(seq, gap);
      this.#has.add(gap.from, gap.to);
    }
    this.#changed?.();
  }

  #say(): void {
    if (this.#spool === undefined || !this.#client.connected) return;
    const { watermark } = this;
    const missing: [number, number][] = [];
    let from = watermark + 1;
    for (const [low, high] of this.#has.intervals) {
      if (low > from && missing.length < MAX_MISSING) missing.push([from, low - 1]);
      from = Math.max(from, high + 1);
    }
    const said = { v: 1, spool: this.#spool, watermark, ...(missing.length > 0 && { missing }) };
    this.#client.publish(`${TOPIC}/sink/watermark`, JSON.stringify(said), { qos: 1, retain: true });
  }
}
