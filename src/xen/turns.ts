/** Least time between the ends of two turns: what a guest's writes can cost dom0 is bounded by it. */
const SPACING_MILLIS = 20;
/** After a turn that failed; the connection to xenstored may be away. */
const RETRY_MILLIS = 250;

export interface TurnOptions {
  readonly spacingMillis?: number;
  readonly retryMillis?: number;
}

/**
 * Runs a task whenever it was asked to, never twice at once. However often it is asked while it runs, it runs once more:
 * a peer that floods its watch is looked at no more often than the spacing allows.
 */
export class Turns {
  readonly #turn: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  readonly #options: TurnOptions;
  #isWanted = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(turn: () => Promise<void>, failed: (error: unknown) => void, options: TurnOptions = {}) {
    this.#turn = turn;
    this.#failed = failed;
    this.#options = options;
  }

  ask(): void {
    if (this.#isStopped) return;
    this.#isWanted = true;
    if (this.#running || this.#timer) return;
    this.#running = this.#run();
  }

  /** Resolves when no turn runs. */
  async ended(): Promise<void> {
    await this.#running;
  }

  /** Resolves when no turn runs, and none will. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#isWanted = false;
    let delay = this.#options.spacingMillis ?? SPACING_MILLIS;
    try {
      await this.#turn();
    } catch (error) {
      this.#failed(error);
      this.#isWanted = true;
      delay = this.#options.retryMillis ?? RETRY_MILLIS;
    }
    this.#running = undefined;
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isWanted) this.ask();
    }, delay);
  }
}
