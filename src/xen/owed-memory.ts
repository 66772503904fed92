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

interface Owed {
  readonly grants: WithdrawnGrants;
  /** In milliseconds. */
  readonly since: number;
}

export class OwedMemory {
  readonly #table: Pick<GrantTable, 'inUse'>;
  readonly #owed: Owed[] = [];

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

  /**
   * Before this process ends. What is still mapped the kernel keeps aside until it is let go of.
   * @throws what one of them failed with, after all have been ended.
   */
  endAll(): void {
    this.#end(this.#owed.splice(0));
  }

  /**
   * Ends what nobody has mapped any more: at most `most`, each takes a while. @returns how many.
   * @throws what one of them failed with, after all have been looked at. One that Xen tells nothing of stays owed.
   */
  settle(most: number): number {
    const free: Owed[] = [];
    const failures: unknown[] = [];
    for (const owed of this.#owed) {
      if (free.length === most) break;
      try {
        if (!this.#table.inUse(owed.grants.references)) free.push(owed);
      } catch (error) {
        failures.push(error);
      }
    }
    for (const owed of free) this.#owed.splice(this.#owed.indexOf(owed), 1);
    this.#end(free, failures);
    return free.length;
  }

  #end(ending: readonly Owed[], failures: unknown[] = []): void {
    for (const { grants } of ending) {
      try {
        grants.end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
