/**
 * A spool through many lives on one disk: killed at any step, cut off from power, behind a broker that loses what it has
 * acknowledged. The sink follows the documented protocol, and checks what it gets against all that was ever appended.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { VirtualClock } from '../../../../src/clock.ts';
import { SpoolFeed } from '../../../../src/telemetry/spool/feed.ts';
import { type Gap, gapOf } from '../../../../src/telemetry/spool/gap.ts';
import { NumberSet } from '../../../../src/telemetry/spool/number-set.ts';
import type { StoredRecord } from '../../../../src/telemetry/spool/segment-format.ts';
import { Spool } from '../../../../src/telemetry/spool/spool.ts';
import { MAX_MISSING } from '../../../../src/telemetry/spool/watermark.ts';
import { FaultyDisk, MortalDisk } from './faulty-disk.ts';

export const STAMP = { v: 1, seq: 0, boot: 'b', mono_ns: '1', ts: '2026-01-01T00:00:00.000Z' } as const;

/** What is received, by number; and which numbers need not be waited for. */
export class Sink {
  readonly messages = new Map<number, { id: number; boot: string }>();
  readonly gaps = new Map<number, Gap>();
  readonly #has = new NumberSet();
  duplicates = 0;
  historical = 0;

  take(content: string): void {
    const record = JSON.parse(content);
    const { spool_seq: seq, cause, id, boot, historical } = record;
    if (historical) this.historical++;
    if (this.#has.has(seq) && (this.messages.has(seq) || this.gaps.has(seq))) this.duplicates++;
    if (cause === undefined) {
      const known = this.messages.get(seq);
      if (known) assert.deepEqual({ id, boot }, known, `number ${seq} stands for one message only`);
      this.messages.set(seq, { id, boot });
    } else {
      const gap = gapOf(seq, content);
      assert.ok(!this.messages.has(seq), `number ${seq} is no message as well`);
      this.gaps.set(seq, gap);
      this.#has.add(gap.from, gap.to);
    }
    this.#has.add(seq);
  }

  get watermark(): number {
    return this.#has.firstMissing(1) - 1;
  }

  say(spool: string): Buffer {
    const { watermark } = this;
    const missing: [number, number][] = [];
    let from = watermark + 1;
    for (const [low, high] of this.#has.intervals) {
      if (low > from && missing.length < MAX_MISSING) missing.push([from, low - 1]);
      from = Math.max(from, high + 1);
    }
    return Buffer.from(JSON.stringify({ v: 1, spool, watermark, ...(missing.length > 0 && { missing }) }));
  }
}

export class Lives {
  readonly disk = new FaultyDisk();
  readonly clock = new VirtualClock(1e6);
  readonly sink = new Sink();
  /** Each message by an id of the test's own, with its number and boot. */
  readonly appended = new Map<number, { seq: number; boot: string }>();
  /** Ids of messages that were acknowledged. */
  readonly acknowledged = new Set<number>();
  readonly problems: string[] = [];
  /** What a broker has acknowledged, or a gap record that tells of it. */
  readonly #brokerTook = new NumberSet();
  readonly #capBytes: number;
  #boot = 0;
  #view = new MortalDisk(this.disk);
  #timers: Array<() => void> = [];
  spool!: Spool;
  feed!: SpoolFeed;
  #unacknowledged: Array<{ id: number; seq: number }> = [];

  constructor(capBytes: number) {
    this.#capBytes = capBytes;
  }

  get alive(): Promise<'died'> {
    return this.#view.died;
  }

  /** @returns whether it lived through its start. @param steps of the disk until it is killed. */
  async open(steps = Number.POSITIVE_INFINITY): Promise<boolean> {
    this.#view = new MortalDisk(this.disk, steps);
    this.#unacknowledged = [];
    this.#timers = [];
    this.spool = new Spool({
      disk: this.#view,
      clock: this.clock,
      bootId: `boot-${this.#boot}`,
      newId: () => '00112233445566aa',
      stamp: () => STAMP,
      capBytes: this.#capBytes,
      onWritten: (records) => this.feed.written(records),
      onAcknowledged: (seq) => {
        while (this.#unacknowledged[0] && this.#unacknowledged[0].seq <= seq) {
          this.acknowledged.add(this.#unacknowledged.shift()!.id);
        }
      },
      onProblem: (problem) => this.problems.push(problem),
    });
    this.feed = new SpoolFeed({
      spool: this.spool,
      clock: this.clock,
      drainHz: 1000,
      resendMillis: 1000,
      after: (_millis, callback) => this.#timers.push(callback),
    });
    return this.#alive(this.spool.start());
  }

  append(count: number, padding = 100): void {
    for (let i = 0; i < count; i++) {
      const id = this.appended.size;
      const boot = `boot-${this.#boot}`;
      const seq = this.spool.append('event/mark', { id, boot, text: 'x'.repeat(padding) });
      if (seq === undefined) return;
      this.appended.set(id, { seq, boot });
      this.#unacknowledged.push({ id, seq });
    }
  }

  /** As a program does, that goes on with other things in between. */
  async appendSlowly(count: number, padding: number): Promise<boolean> {
    for (let left = count; left > 0; left -= 3) {
      this.append(Math.min(left, 3), padding);
      if (!(await this.#alive(nextTurn()))) return false;
    }
    return true;
  }

  flush(): Promise<boolean> {
    return this.#alive(this.spool.flush());
  }

  /**
   * A connection for a while: up to `most` records go out and are acknowledged by the broker, which loses some.
   * @param loses whether the broker loses this one.
   */
  async send(most: number, loses: () => boolean): Promise<boolean> {
    let ready = true;
    this.feed.connect(() => {
      ready = true;
    });
    let idle = 0;
    for (let sent = 0; sent < most && idle < 8; ) {
      const record = ready ? this.feed.next() : undefined;
      if (record) {
        sent++;
        idle = 0;
        this.#noteTaken(record);
        if (!loses()) this.sink.take(record.content);
        this.feed.delivered(record.seq);
        continue;
      }
      idle++;
      ready = true;
      this.clock.advanceMicros(40_000);
      for (const timer of this.#timers.splice(0)) timer();
      if (!(await this.#alive(nextTurn()))) return false;
    }
    this.feed.disconnect();
    return true;
  }

  #noteTaken({ seq, kind, content }: StoredRecord): void {
    this.#brokerTook.add(seq);
    if (kind !== 'gap') return;
    const { cause, from, to } = gapOf(seq, content);
    if (cause === 'cap' || cause === 'damage') this.#brokerTook.add(from, to);
  }

  heartbeat(): void {
    this.feed.hear(this.sink.say(this.spool.id));
  }

  kill(): void {
    this.#view.kill();
  }

  /** Kills, and takes what the disk may lose; the next life is in another boot. */
  cutPower(random: () => number): void {
    this.#view.kill();
    this.disk.cutPower(random);
    this.#boot++;
  }

  /** A good broker, a listening sink, time enough. */
  async settle(): Promise<void> {
    for (let round = 0; round < 60; round++) {
      await this.flush();
      await this.send(Number.POSITIVE_INFINITY, () => false);
      this.heartbeat();
      this.clock.advanceMicros(10_000_000);
      if (this.sink.watermark === this.spool.written) return;
    }
    assert.fail(`the sink has ${this.sink.watermark} of ${this.spool.written}: ${this.sink.say(this.spool.id)}`);
  }

  /** Everything that was acknowledged has arrived, or a gap tells of it, of a kind that fits. */
  check(): void {
    const told = (...causes: string[]) =>
      new NumberSet(
        [...this.sink.gaps.values()]
          .filter(({ cause }) => causes.includes(cause))
          .map(({ from, to }) => [from, to] as const),
      );
    const lost = told('cap', 'damage');
    const expired = told('expired');
    const arrived = new Set([...this.sink.messages.values()].map(({ id }) => id));
    for (const id of this.acknowledged) {
      const { seq } = this.appended.get(id)!;
      const isExpired = expired.has(seq) && this.#brokerTook.has(seq);
      assert.ok(
        arrived.has(id) || lost.has(seq) || isExpired,
        `message ${id}, number ${seq}, was acknowledged and is missing`,
      );
    }
    for (const [seq, { id, boot }] of this.sink.messages) {
      assert.deepEqual(this.appended.get(id), { seq, boot }, `number ${seq} is as it was appended`);
    }
  }

  async #alive(step: Promise<unknown>): Promise<boolean> {
    return (await Promise.race([step, this.#view.died])) !== 'died';
  }
}
