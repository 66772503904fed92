/**
 * What Xen says of the grants of this domain: how many there may be, and whether another domain has a page mapped. By
 * hypercalls, in dom0 only. Source: Xen, public/grant_table.h.
 *
 * No call asks whether a grant is in use. But two grants change places only while nobody has either mapped: so grants of
 * one domain, to one domain, are exchanged and put back at once. A grant that somebody maps in between cannot be put back
 * before it is let go of, and counts as in use until it has been.
 */
import { EXIT, MemtideError } from '../errors.ts';
import { DOMID_SELF } from './device.ts';
import { HYPERCALL, type HypercallResult, Hypercalls } from './hypercalls.ts';
import { XEN_PAGE_BYTES } from './page-size.ts';

const QUERY_SIZE = 6;
const SWAP_GRANT_REF = 11;
/** Bytes from the start of struct gnttab_query_size. */
const SIZE_AT = { domid: 0, frames: 4, mostFrames: 8, status: 12 } as const;
/** Bytes of struct gnttab_swap_grant_ref: two references, and a status. */
const SWAP_BYTES = 12;
const SWAP_AT = { a: 0, b: 4, status: 8 } as const;
const PAIRS_A_CALL = Math.floor(XEN_PAGE_BYTES / SWAP_BYTES / 2);
const OKAY = 0;
const BUSY = -12;

/** Of the table's first version, which Linux uses on ARM: 8 bytes each. */
const GRANTS_A_FRAME = XEN_PAGE_BYTES / 8;

/** What this module needs of `Hypercalls`. */
export type GrantCalls = Pick<Hypercalls, 'argument' | 'call'>;

export class GrantTable {
  readonly #calls: GrantCalls;
  /** Pairs that could not be put back, by their first reference. */
  readonly #exchanged = new Set<number>();

  /** @throws MemtideError in a domain that may not ask, or on a Xen that has no such call. */
  constructor(calls: GrantCalls = new Hypercalls()) {
    this.#calls = calls;
    must('ask Xen whether grants are in use', calls.call(HYPERCALL.grantTable, SWAP_GRANT_REF, 0));
  }

  /** Grants that this domain may have at once, at most. */
  capacity(): number {
    const { argument } = this.#calls;
    argument.setUint16(SIZE_AT.domid, DOMID_SELF, true);
    const operation = 'ask Xen how large the grant table may be';
    must(operation, this.#calls.call(HYPERCALL.grantTable, QUERY_SIZE, 1));
    const status = argument.getInt16(SIZE_AT.status, true);
    if (status !== OKAY) throw refused(operation, `status ${status}`);
    return argument.getUint32(SIZE_AT.mostFrames, true) * GRANTS_A_FRAME;
  }

  /**
   * Whether somebody has one of them mapped.
   * @param references of this domain, two or more and an even number, all granted to one domain in one way. The same ones
   * in the same order as ever: what could not be put back is put back by the next call.
   */
  inUse(references: readonly number[]): boolean {
    // What is in use is mostly in use as a whole: the first pair tells it, for little.
    if (this.#pairsInUse(references.slice(0, 2))) return true;
    for (let from = 0; from < references.length; from += 2 * PAIRS_A_CALL) {
      if (this.#pairsInUse(references.slice(from, from + 2 * PAIRS_A_CALL))) return true;
    }
    return false;
  }

  #pairsInUse(references: readonly number[]): boolean {
    for (let at = 0; at < references.length; at += 2) {
      this.#lay(at, references[at]!, references[at + 1]!);
      this.#lay(at + 1, references[at]!, references[at + 1]!);
    }
    this.#swap(references.length);
    let busy = false;
    const torn: number[] = [];
    for (let at = 0; at < references.length; at += 2) {
      const there = this.#statusOf(at);
      const back = this.#statusOf(at + 1);
      if (there === BUSY || back === BUSY) busy = true;
      const isExchanged = this.#exchanged.has(references[at]!) !== (there !== back);
      if (isExchanged) torn.push(at);
      this.#note(references[at]!, isExchanged);
    }
    for (const at of torn) {
      this.#lay(0, references[at]!, references[at + 1]!);
      this.#swap(1);
      if (this.#statusOf(0) === BUSY) busy = true;
      else this.#note(references[at]!, false);
    }
    return busy;
  }

  #note(first: number, isExchanged: boolean): void {
    if (isExchanged) this.#exchanged.add(first);
    else this.#exchanged.delete(first);
  }

  #lay(swap: number, a: number, b: number): void {
    const { argument } = this.#calls;
    argument.setUint32(swap * SWAP_BYTES + SWAP_AT.a, a, true);
    argument.setUint32(swap * SWAP_BYTES + SWAP_AT.b, b, true);
  }

  #swap(count: number): void {
    must('ask Xen whether grants are in use', this.#calls.call(HYPERCALL.grantTable, SWAP_GRANT_REF, count));
  }

  #statusOf(swap: number): number {
    const status = this.#calls.argument.getInt16(swap * SWAP_BYTES + SWAP_AT.status, true);
    if (status === OKAY || status === BUSY) return status;
    throw refused('ask Xen whether grants are in use', `status ${status}`);
  }
}

function must(operation: string, result: HypercallResult): void {
  if (!result.ok) throw refused(operation, result.errno);
}

const refused = (operation: string, actual: string): MemtideError =>
  new MemtideError({
    operation,
    expected: 'dom0, and a Xen that is known here (4.17 to 4.20)',
    actual,
    exitCode: EXIT.unavailable,
  });
