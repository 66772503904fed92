/** What is retained of an agent: who it is (`info`) and how it is (`state`), and the last will that takes the state's place. */
import { SCHEMA_VERSION } from './kinds.ts';
import type { OutgoingQueue } from './outgoing-queue.ts';
import type { ReportPayload } from './schema.ts';
import type { PublisherOptions } from './uplink.ts';

type State = ReportPayload<'state'>;
type Figures = Omit<State, 'v' | 'status' | 'reason' | 'boot' | 'seq' | 'mono_ns' | 'ts' | 'synced'>;

export class Presence {
  readonly #options: Pick<PublisherOptions, 'stamper' | 'spool'>;
  readonly #queue: OutgoingQueue;
  #birth: PublisherOptions['birth'];
  #told = '';
  #dropsTold = 0;

  constructor(options: Pick<PublisherOptions, 'stamper' | 'spool' | 'birth'>, queue: OutgoingQueue) {
    this.#options = options;
    this.#birth = options.birth;
    this.#queue = queue;
  }

  change(birth: Partial<PublisherOptions['birth']>): void {
    this.#birth = { ...this.#birth, ...birth };
  }

  info(): ReportPayload<'info'> {
    return { ...this.#options.stamper.stamp('info'), ...this.#birth };
  }

  /** The state as it is now, with what waits and what was given up. */
  state(status: State['status'], reason?: State['reason']): State {
    const figures = this.#figures();
    this.#told = JSON.stringify(figures);
    this.#dropsTold = this.#queue.totalDropped;
    return { ...this.#options.stamper.stamp('state'), status, ...(reason && { reason }), ...figures };
  }

  /** Whether more was given up than the last state has told. */
  get hasNewDrops(): boolean {
    return this.#queue.totalDropped > this.#dropsTold;
  }

  /** Whether anything is otherwise than the last state has told. */
  get hasChanged(): boolean {
    return JSON.stringify(this.#figures()) !== this.#told;
  }

  /** The will says neither when nor how: the broker publishes it long after it was written. */
  will(): string {
    const will: State = {
      v: SCHEMA_VERSION,
      status: 'offline',
      reason: 'connection-lost',
      boot: this.#options.stamper.bootId,
    };
    return JSON.stringify(will);
  }

  #figures(): Figures {
    const dropped = Object.entries(this.#queue.dropped).map(([kind, count]) => [`dropped_${kind}`, count] as const);
    const spool = this.#options.spool?.status();
    return {
      queued: this.#queue.length,
      ...(Object.fromEntries(dropped) as Figures),
      ...(spool && {
        spool: spool.id,
        spool_unsent: spool.unsent,
        spool_unconfirmed: spool.unconfirmed,
        spool_bytes: spool.bytes,
        spool_cap_bytes: spool.cap_bytes,
        spool_dropped: spool.dropped,
        spool_gaps: spool.gaps,
        spool_refused: spool.refused,
      }),
    };
  }
}
