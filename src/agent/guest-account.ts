import { COUNTING_SLACK } from '../xen/memory-books.ts';

/** A move that is not answered is told again, in case it or its answer was lost. */
const TELL_AGAIN_MICROS = 1_000_000;

/** A balloon notice under way. */
export interface GuestMove {
  readonly id: number;
  /** Below 0: to be given up. */
  readonly changeBytes: number;
  /** By Xen's count, when it was told. */
  readonly heldBefore: number;
  readonly deadlineMicros: number;
  toldMicros: number;
  /** What the guest says that it has moved. */
  saidBytes: number | undefined;
  /** And where it says that it stands. */
  saidLimit: number;
  /** Xen was asked since it said so. */
  isCounted: boolean;
}

export interface SettledMove {
  readonly changeBytes: number;
  /** What really moved in the direction that was asked, by Xen's count. */
  readonly movedBytes: number;
  /** The guest has said that it moved more than Xen knows of. */
  readonly overstated: boolean;
}

/**
 * What the back end knows of one guest: Xen's count of what it holds, and the one move that is under way. What the guest
 * says of itself ends a move early; what came of it is Xen's to say.
 */
export class GuestAccount {
  /** By Xen's last count; 0 while there is no such domain. */
  heldBytes = 0;
  #open: GuestMove | undefined;

  get open(): GuestMove | undefined {
    return this.#open;
  }

  /** What an open growth may still bring. */
  get growthUnderWay(): number {
    if (!this.#open || this.#open.changeBytes <= 0) return 0;
    return Math.max(0, this.#open.heldBefore + this.#open.changeBytes - this.heldBytes);
  }

  /** What it is to hold when the open move is done. */
  get goal(): number | undefined {
    return this.#open && Math.max(0, this.#open.heldBefore + this.#open.changeBytes);
  }

  /** It is told when it is `due`, which is at once. */
  begin(id: number, changeBytes: number, deadlineMicros: number): void {
    this.#open = {
      id,
      changeBytes,
      heldBefore: this.heldBytes,
      deadlineMicros,
      toldMicros: Number.NEGATIVE_INFINITY,
      saidBytes: undefined,
      saidLimit: 0,
      isCounted: false,
    };
  }

  /** The guest has answered. @returns false to an answer that was heard before, or to nothing. */
  answered(id: number, changeBytes: number, limitBytes: number): boolean {
    if (this.#open?.id !== id || this.#open.saidBytes !== undefined) return false;
    this.#open.saidBytes = Number.isSafeInteger(changeBytes) ? changeBytes : 0;
    this.#open.saidLimit = limitBytes;
    return true;
  }

  /** Xen has counted. @returns what the open move came to, once it is over. */
  counted(heldBytes: number, now: number): SettledMove | undefined {
    this.heldBytes = heldBytes;
    const open = this.#open;
    if (!open) return undefined;
    const direction = Math.sign(open.changeBytes);
    const asked = Math.abs(open.changeBytes);
    const movedBytes = Math.max(0, (heldBytes - open.heldBefore) * direction);
    const done = movedBytes >= asked - COUNTING_SLACK;
    // An answer may have overtaken the last pages: one more count after it, unless Xen has it where it says that it is.
    const confirmed = Math.abs(heldBytes - open.saidLimit) <= COUNTING_SLACK;
    const said = open.saidBytes !== undefined && (open.isCounted || confirmed);
    if (open.saidBytes !== undefined) open.isCounted = true;
    if (!done && !said && now < open.deadlineMicros) return undefined;
    this.#open = undefined;
    const saidBytes = (open.saidBytes ?? 0) * direction;
    // A guest that had grown by itself before it heard is where it says, although it moved less by Xen's count.
    const elsewhere = (heldBytes - open.saidLimit) * -direction > 2 * COUNTING_SLACK;
    return {
      changeBytes: open.changeBytes,
      movedBytes: done ? asked : movedBytes,
      overstated: saidBytes > movedBytes + 2 * COUNTING_SLACK && elsewhere,
    };
  }

  /** The open move, when it is time to tell it, or to tell it again; that is noted. */
  due(now: number): GuestMove | undefined {
    const open = this.#open;
    if (!open || open.saidBytes !== undefined || now - open.toldMicros < TELL_AGAIN_MICROS) return undefined;
    open.toldMicros = now;
    return open;
  }

  /** Nobody there will answer any more. */
  forget(): void {
    this.#open = undefined;
  }
}
