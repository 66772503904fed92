/**
 * Pages of dom0 whose guest has been asked to let go of them. A grant cannot be taken back from a guest that has it mapped,
 * and the kernel would keep such a page aside, uncounted: so a grant is ended only when Xen says that nobody has it mapped,
 * and until then the memory is owed.
 */
import type { GrantTable } from './grant-table.ts';

export interface WithdrawnGrants {
  /** One a page, in order. */
  readonly references: readonly number[];
  /** Ends the grants. Not before nobody has them mapped. */
  end(): void;
}

export class OwedMemory {
  readonly #table: Pick<GrantTable, 'inUse'>;
  readonly #owed: { readonly grants: WithdrawnGrants; readonly since: number }[] = [];

  constructor(table: Pick<GrantTable, 'inUse'>) {
    this.#table = table;
  }

  /** Withdrawals that are still owed. */
  get count(): number {
    return this.#owed.length;
  }

  /** @param now in milliseconds, by a clock that never goes back. @returns those that have been owed for longer than `millis`. */
  owedFor(millis: number, now: number): number {
    return this.#owed.reduce((count, { since }) => count + (now - since > millis ? 1 : 0), 0);
  }

  add(grants: WithdrawnGrants, now: number): void {
    this.#owed.push({ grants, since: now });
  }

  /** Before this process ends. What is still mapped the kernel keeps aside until it is let go of. */
  endAll(): void {
    for (const { grants } of this.#owed.splice(0)) grants.end();
  }

  /** Ends what nobody has mapped any more: at most `most`, each takes a while. @returns how many. */
  settle(most: number): number {
    let ended = 0;
    for (let at = 0; at < this.#owed.length && ended < most; ) {
      const { grants } = this.#owed[at]!;
      if (this.#table.inUse(grants.references)) {
        at++;
        continue;
      }
      grants.end();
      this.#owed.splice(at, 1);
      ended++;
    }
    return ended;
  }
}
