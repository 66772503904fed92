/**
 * Scheduler constructs of Xen's domains and of the kernels in them: what is asked for so that memory moves soon although
 * everything is busy. Each is applied, read back, and undone in reverse; what is refused is reported, and nothing hangs on it.
 */
import { errorMessage } from '../errors.ts';

export interface Construct {
  /** What it is, for people: `weight of cluster`. */
  readonly name: string;
  /** As `read` tells it when it is in force. */
  readonly wanted: string;
  /** As it stands now. */
  read(): Promise<string>;
  /** Rejects when it is refused. */
  write(value: string): Promise<void>;
}

export interface XenConstructReport {
  readonly construct: string;
  readonly wanted: string;
  /** As read back; left out when it could not be read. */
  readonly in_force?: string;
  /** Why it is not what was wanted. */
  readonly refused?: string;
}

export class XenConstructs {
  readonly #applied: { readonly construct: Construct; readonly before: string }[] = [];
  readonly #reports = new Map<string, XenConstructReport>();

  get reports(): XenConstructReport[] {
    return [...this.#reports.values()];
  }

  /**
   * One after the other; never rejects. One that was applied before (its domain is another one now) is applied anew.
   * @returns whether all of them are in force.
   */
  async apply(constructs: readonly Construct[]): Promise<boolean> {
    let areInForce = true;
    for (const construct of constructs) {
      const report = await this.#applyOne(construct);
      this.#reports.set(construct.name, report);
      areInForce &&= report.refused === undefined;
    }
    return areInForce;
  }

  /** Those whose domain is gone have nothing to be put back. */
  async undo(): Promise<void> {
    for (const { construct, before } of this.#applied.splice(0).reverse())
      await construct.write(before).catch(() => {});
    this.#reports.clear();
  }

  async #applyOne(construct: Construct): Promise<XenConstructReport> {
    const { name, wanted } = construct;
    let found: string | undefined;
    try {
      const before = await construct.read();
      found = before;
      if (before !== wanted) {
        await construct.write(wanted);
        const again = this.#applied.findIndex((each) => each.construct.name === name);
        if (again >= 0) this.#applied.splice(again, 1);
        this.#applied.push({ construct, before });
        found = await construct.read();
      }
    } catch (error) {
      const [reason = ''] = errorMessage(error).split('\n');
      return { construct: name, wanted, ...(found === undefined ? {} : { in_force: found }), refused: reason };
    }
    return { construct: name, wanted, in_force: found, ...(found === wanted ? {} : { refused: 'no effect' }) };
  }
}
