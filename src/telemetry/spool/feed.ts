/**
 * What the uplink sends of a spool: live records at once, the backlog behind them at a bounded rate and marked
 * `historical`, and again what a sink says it never got.
 */
import type { Clock } from '../../clock.ts';
import type { FeedStatus, StoredFeed } from './contracts.ts';
import type { Interval } from './number-set.ts';
import type { StoredRecord } from './segment-format.ts';
import type { Spool } from './spool.ts';
import { readWatermark } from './watermark.ts';

export interface SpoolFeedOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  /** Records of the backlog per second. */
  readonly drainHz: number;
  /**
   * How long a sink may lack what a broker has acknowledged before it is sent again; doubled, up to an hour, each time that
   * does not help. 10 s by default.
   */
  readonly resendMillis?: number;
  /** Calls back after some milliseconds; tests put in their own. */
  readonly after?: (millis: number, callback: () => void) => void;
}

/** Live records that wait for the connection: a second of the fastest sampling. Older ones come with the backlog. */
const MAX_LIVE = 256;
/** Read ahead from the disk. */
const MAX_AHEAD = 256;
/** Sent in one go after a pause. */
const DRAIN_BURST = 32;
/** After a read that failed, or a message that a broker refused. */
const PAUSE_MILLIS = 5000;
const RESEND_MILLIS = 10_000;
const MAX_RESEND_MILLIS = 3_600_000;

export class SpoolFeed implements StoredFeed {
  readonly #options: SpoolFeedOptions;
  readonly #spool: Spool;
  #onReady: (() => void) | undefined;
  #live: StoredRecord[] = [];
  #ahead: StoredRecord[] = [];
  #connection = 0;
  #connected = false;
  #reading = false;
  #waking = false;
  #tokens = DRAIN_BURST;
  #tokensAt = 0;
  #pausedUntil = 0;
  #resends = 0;
  #badWatermarks = 0;
  #lack: { readonly watermark: number; since: number; waits: number } | undefined;

  constructor(options: SpoolFeedOptions) {
    this.#options = options;
    this.#spool = options.spool;
  }

  keep(leaf: string, payload: object): number | undefined {
    return this.#spool.append(leaf, payload);
  }

  /** From the spool: these may be sent. */
  readonly written = (records: readonly StoredRecord[]): void => {
    if (!this.#connected) return;
    for (const record of records) {
      this.#spool.delivery.inHand.add(record.seq);
      this.#live.push(record);
    }
    for (const { seq } of this.#live.splice(0, this.#live.length - MAX_LIVE)) this.#spool.delivery.inHand.remove(seq);
    this.#onReady?.();
  };

  connect(onReady: () => void): void {
    this.#connected = true;
    this.#onReady = onReady;
    onReady();
  }

  disconnect(): void {
    this.#connected = false;
    this.#connection++;
    for (const { seq } of [...this.#live, ...this.#ahead]) this.#spool.delivery.inHand.remove(seq);
    this.#live = [];
    this.#ahead = [];
  }

  release(): void {
    this.disconnect();
    this.#onReady = undefined;
    this.#pausedUntil = 0;
    this.#spool.delivery.inHand.clear();
  }

  next(): StoredRecord | undefined {
    const live = this.#live.shift();
    if (live) return live;
    if (!this.#connected) return undefined;
    if (this.#ahead.length === 0) {
      void this.#readAhead();
      return undefined;
    }
    if (!this.#takeToken()) return undefined;
    const record = this.#ahead.shift()!;
    return { ...record, content: `${record.content.slice(0, -1)},"historical":true}` };
  }

  delivered(seq: number): void {
    this.#spool.delivery.inHand.remove(seq);
    this.#spool.delivered(seq);
  }

  refused(seq: number): void {
    this.#spool.delivery.inHand.remove(seq);
    this.#pausedUntil = this.#millis() + PAUSE_MILLIS;
  }

  hear(content: Buffer): void {
    const result = readWatermark(content, this.#spool.id, this.#spool.written);
    if (!result.ok) {
      this.#badWatermarks++;
      return;
    }
    const { watermark, missing = [[watermark + 1, this.#spool.written]] } = result.said;
    this.#spool.confirm(watermark);
    this.#supply(watermark, missing);
  }

  status(): FeedStatus {
    return { ...this.#spool.status(), resends: this.#resends, bad_watermarks: this.#badWatermarks };
  }

  /**
   * A broker's acknowledgement is no proof: where a sink goes on lacking what was acknowledged, the broker has lost it, and
   * it goes back to the backlog. A sink that is away says nothing, and nothing is sent again for it.
   */
  #supply(watermark: number, missing: readonly Interval[]): void {
    const { delivered, inHand } = this.#spool.delivery;
    const lacks = watermark + 1;
    if (lacks > this.#spool.written || !delivered.has(lacks) || inHand.has(lacks)) {
      this.#lack = undefined;
      return;
    }
    const now = this.#millis();
    if (this.#lack?.watermark !== watermark) {
      this.#lack = { watermark, since: now, waits: 0 };
      return;
    }
    const { resendMillis = RESEND_MILLIS } = this.#options;
    if (now - this.#lack.since < Math.min(resendMillis * 2 ** this.#lack.waits, MAX_RESEND_MILLIS)) return;
    this.#lack = { watermark, since: now, waits: this.#lack.waits + 1 };
    this.#resends++;
    for (const [from, to] of missing) this.#spool.resend(from, to);
    this.#onReady?.();
  }

  async #readAhead(): Promise<void> {
    const { delivery } = this.#spool;
    const now = this.#millis();
    if (this.#reading) return;
    if (now < this.#pausedUntil) {
      this.#wakeAfter(this.#pausedUntil - now);
      return;
    }
    const range = delivery.nextUnsent(this.#spool.written);
    if (!range) return;
    this.#reading = true;
    const connection = this.#connection;
    const records = await this.#spool.read(range[0], Math.min(range[1], range[0] + MAX_AHEAD - 1));
    this.#reading = false;
    if (!this.#connected) return;
    if (connection === this.#connection) {
      // Meanwhile a sink may have confirmed some.
      this.#ahead = records.filter(({ seq }) => !delivery.delivered.has(seq) && !delivery.inHand.has(seq));
      for (const { seq } of this.#ahead) delivery.inHand.add(seq);
      const isStuck = records.length === 0 && delivery.nextUnsent(this.#spool.written)?.[0] === range[0];
      if (isStuck) this.#pausedUntil = this.#millis() + PAUSE_MILLIS;
    }
    this.#onReady?.();
  }

  #takeToken(): boolean {
    const { drainHz } = this.#options;
    const now = this.#millis();
    this.#tokens = Math.min(DRAIN_BURST, this.#tokens + ((now - this.#tokensAt) * drainHz) / 1000);
    this.#tokensAt = now;
    if (this.#tokens < 1) {
      // Several together: a timer is no finer than a millisecond.
      this.#wakeAfter(Math.max(10, ((1 - this.#tokens) * 1000) / drainHz));
      return false;
    }
    this.#tokens--;
    return true;
  }

  #wakeAfter(millis: number): void {
    if (this.#waking) return;
    this.#waking = true;
    const { after = afterMillis } = this.#options;
    after(millis, () => {
      this.#waking = false;
      this.#onReady?.();
    });
  }

  #millis(): number {
    return this.#options.clock.monotonicMicros() / 1000;
  }
}

function afterMillis(millis: number, callback: () => void): void {
  setTimeout(callback, millis).unref();
}
