import type { DomainConfig } from '../config/schema.ts';
import type { Construct, XenConstructs } from '../xen/constructs.ts';
import { pinning, weight } from '../xen/credit2.ts';
import { Turns } from '../xen/turns.ts';

/** Until what was refused is tried again. */
const SPACING_MILLIS = 5000;
/** What is refused so often in a guest's life stays refused: each try costs dom0 some processes. */
const MOST_TRIES = 5;

export interface GuestConstructsOptions {
  readonly domains: readonly DomainConfig[];
  /** Who has the name of a domain now; undefined for nobody. */
  readonly domidOf: (name: string) => number | undefined;
  /** Reports them, and undoes them. */
  readonly constructs: XenConstructs;
  readonly problem: (error: unknown) => void;
  /** The toolstack, when left out. */
  readonly xl?: Parameters<typeof weight>[2];
  /** 5000 when left out. */
  readonly spacingMillis?: number;
}

interface Guest {
  readonly name: string;
  readonly constructs: readonly Construct[];
  /** The life of it that they were last applied to. */
  domid: number | undefined;
  tries: number;
  isDone: boolean;
}

/**
 * Weights and CPUs of guests, applied anew to each life of a guest. In turns of their own: each is a process or two of the
 * toolstack, which take seconds where dom0 is busy, and no move of memory waits for that.
 */
export class GuestConstructs {
  readonly #options: GuestConstructsOptions;
  readonly #guests: readonly Guest[];
  readonly #turns: Turns;

  constructor(options: GuestConstructsOptions) {
    const { domains, xl, problem, spacingMillis = SPACING_MILLIS } = options;
    this.#options = options;
    this.#guests = domains.flatMap(({ name, guest }): Guest[] => {
      const constructs = [
        ...(guest?.weight === undefined ? [] : [weight(name, guest.weight, xl)]),
        ...(guest?.cpus === undefined ? [] : [pinning(name, guest.cpus, xl)]),
      ];
      return constructs.length === 0 ? [] : [{ name, constructs, domid: undefined, tries: 0, isDone: false }];
    });
    this.#turns = new Turns(() => this.#turn(), problem, { spacingMillis });
  }

  /** Whether there are guests that they have yet to be applied to; waits for nothing. */
  look(): void {
    if (this.#due().length > 0) this.#turns.ask();
  }

  /** Resolves when nothing is applied any more. */
  stop(): Promise<void> {
    return this.#turns.stop();
  }

  #due(): Guest[] {
    for (const guest of this.#guests) {
      const domid = this.#options.domidOf(guest.name);
      if (domid !== guest.domid) Object.assign(guest, { domid, tries: 0, isDone: false });
    }
    return this.#guests.filter(({ domid, tries, isDone }) => domid !== undefined && !isDone && tries < MOST_TRIES);
  }

  async #turn(): Promise<void> {
    for (const guest of this.#due()) {
      const { domid } = guest;
      guest.tries++;
      const isDone = await this.#options.constructs.apply(guest.constructs);
      if (guest.domid === domid) guest.isDone = isDone;
    }
  }
}
