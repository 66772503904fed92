/**
 * What makes a link of a carrier that may double, delay and reorder. Each life of an agent has an epoch, and numbers what it
 * sends to each peer. A message says whose life it comes from, which life of the receiver it is meant for, and its number.
 */
export interface Envelope {
  /** The sender's. */
  readonly epoch: number;
  /** The receiver's, as far as the sender knows; 0 when it does not. */
  readonly to_epoch: number;
  readonly link_seq: number;
}

/** The epoch of a life that begins now. Later lives have larger ones, unless the wall clock was set back in between. */
export const newEpoch = (wallMillis: number): number => Math.max(1, Math.floor(wallMillis));

/** Reads the envelope of a message; undefined where it has none. */
export function envelopeOf(fields: Readonly<Record<string, unknown>>): Envelope | undefined {
  const { epoch, to_epoch, link_seq } = fields;
  return isNumber(epoch) && epoch > 0 && isNumber(to_epoch) && isNumber(link_seq)
    ? { epoch, to_epoch, link_seq }
    : undefined;
}

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Between two lives: lets each message through at most once, and none that a later one has overtaken. */
export class LinkOrder {
  readonly mine: number;
  readonly theirs: number;
  #heard: number;
  #said: number;

  /** @param heard number of the message that began it. @param said number of the last one that this side has sent. */
  constructor(mine: number, theirs: number, heard: number, said: number) {
    this.mine = mine;
    this.theirs = theirs;
    this.#heard = heard;
    this.#said = said;
  }

  get said(): number {
    return this.#said;
  }

  accepts({ epoch, to_epoch, link_seq }: Envelope): boolean {
    if (epoch !== this.theirs || to_epoch !== this.mine || link_seq <= this.#heard) return false;
    this.#heard = link_seq;
    return true;
  }

  /** Whether this message of the same life was heard before, or overtaken. */
  isPast(link_seq: number): boolean {
    return link_seq <= this.#heard;
  }

  /** The envelope of the next message. */
  next(): Envelope {
    return { epoch: this.mine, to_epoch: this.theirs, link_seq: ++this.#said };
  }
}
