/** What Xen itself counts, whatever domains say of themselves: the truth that every move is checked against. */
import { type Bytes, MIB } from '../units.ts';

/** Xen counts pages that the guest's kernel does not, and the other way round: a MiB at most. */
export const COUNTING_SLACK = MIB;

export interface DomainMemory {
  /** Pages that the domain has (Xen: `tot_pages`). */
  readonly heldBytes: Bytes;
  /** How far Xen lets it grow (`max_pages`); left out where it cannot be read. */
  readonly capBytes?: Bytes;
}

/** Each call is answered as of its own instant: domains go on meanwhile. */
export interface MemoryBooks {
  /** Who is asked, for people: `hypercalls`, `xl`. */
  readonly source: string;
  /** In Xen's heap, and claimed by nobody. @throws MemtideError when Xen does not answer. */
  freeBytes(): Promise<Bytes>;
  /** @returns undefined when there is no such domain. */
  domain(domid: number): Promise<DomainMemory | undefined>;
  /**
   * From then on the domain may grow so far with nobody's consent. One that holds more keeps it.
   * @param goal where it is on its way to, as it was asked: what it holds, when left out.
   * @returns false when there is no such domain. @throws MemtideError when it is refused.
   */
  setCap(domid: number, cap: Bytes, goal?: Bytes): Promise<boolean>;
  close(): void;
}
