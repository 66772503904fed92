/**
 * What waits for the broker. Bounded for each kind, so that a flood of readings pushes out older readings and never a
 * burst record; what is given up is counted. MQTT.js has a queue of its own, which is not used: it grows without bound,
 * and beyond 65,535 messages overwrites stored ones in silence.
 */
import { SENT_KINDS, type SentKind } from './kinds.ts';

export interface Outgoing {
  readonly kind: SentKind;
  readonly topic: string;
  readonly content: string;
}

/**
 * Messages kept of each kind: some 25 s of readings at 10 Hz, hours of bursts. A message is below 1 KiB (answers and
 * coordination: below `MAX_CONTENT_BYTES`), so a queue that is full to the brim takes 1 to 2 MiB.
 */
export const QUEUE_LIMITS: Readonly<Record<SentKind, number>> = {
  rsp: 32,
  coord: 32,
  burst: 512,
  mark: 128,
  alloc: 256,
  mem: 256,
  psi: 256,
};

/** Who asks waits; an event is rare and cannot be had again; a reading is followed by the next. */
const ORDER: readonly SentKind[] = ['rsp', 'coord', 'burst', 'mark', 'alloc', 'mem', 'psi'];

export class OutgoingQueue {
  readonly #limits: Readonly<Record<SentKind, number>>;
  readonly #waiting = new Map<SentKind, Outgoing[]>(SENT_KINDS.map((kind) => [kind, []]));
  readonly #dropped = new Map<SentKind, number>();

  constructor(limits: Readonly<Record<SentKind, number>> = QUEUE_LIMITS) {
    this.#limits = limits;
  }

  /** Adds a message; where its kind is full, the oldest of that kind is given up. */
  push(message: Outgoing): void {
    const waiting = this.#of(message.kind);
    waiting.push(message);
    if (waiting.length > this.#limits[message.kind]) {
      waiting.shift();
      this.countDropped(message.kind);
    }
  }

  /** Takes the next message to send: by kind in order of urgency, within a kind the oldest first. */
  shift(): Outgoing | undefined {
    for (const kind of ORDER) {
      const next = this.#of(kind).shift();
      if (next) return next;
    }
    return undefined;
  }

  /** Counts a message that was taken but could not be delivered. */
  countDropped(kind: SentKind): void {
    this.#dropped.set(kind, (this.#dropped.get(kind) ?? 0) + 1);
  }

  get length(): number {
    return ORDER.reduce((sum, kind) => sum + this.#of(kind).length, 0);
  }

  /** Messages given up so far, for the kinds that lost any. */
  get dropped(): Readonly<Partial<Record<SentKind, number>>> {
    return Object.fromEntries(this.#dropped);
  }

  get totalDropped(): number {
    return [...this.#dropped.values()].reduce((sum, count) => sum + count, 0);
  }

  #of(kind: SentKind): Outgoing[] {
    return this.#waiting.get(kind)!;
  }
}
