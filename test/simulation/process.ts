/** Thrown through whatever a process is doing when it is killed. */
export class Killed extends Error {}

/** A process of the machine, with one thread or several. Killed, it never comes back: its successor is another one. */
export class Process {
  readonly name: string;
  readonly threads: Thread[] = [];
  alive = true;
  /** While stopped (SIGSTOP) it does nothing, and is not dead. */
  stoppedUntil = 0;
  /** The chance that it is taken when it is its turn: a slow one waits. */
  speed = 1;
  /** Until then something is wrong with it, and nobody can expect an answer that needs it. */
  disturbedUntil = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** What the kernel does at once when a process ends. */
  onDeath: () => void = () => {};
}

/** One thread: asleep until something is due or it is rung, then one `step` at a time. */
export abstract class Thread {
  readonly process: Process;
  readonly name: string;
  wakeAt = 0;
  /** In the middle of a step, which a cut has interrupted. */
  busy = false;

  constructor(process: Process, name: string) {
    this.process = process;
    this.name = name;
    process.threads.push(this);
  }

  /** Whether somebody has woken it. */
  abstract get rung(): boolean;

  abstract step(): void;

  /** When it could take its next step; infinity when only a ring would bring one. */
  dueAt(now: number): number {
    if (!this.process.alive || this.busy) return Number.POSITIVE_INFINITY;
    return Math.max(this.rung ? now : this.wakeAt, this.process.stoppedUntil);
  }
}

/** A doorbell: a bit for each source. Whoever waits takes all bits at once into words of its own. */
export class Bell {
  readonly pending = new Int32Array(8);
  readonly #bits = new Int32Array(8);
  rung = false;

  ring(source: number): void {
    this.#bits[source >>> 5] = this.#bits[source >>> 5]! | (1 << (source & 31));
    this.rung = true;
  }

  /** As the waiter returns: the bits are the plane's now. */
  collect(): Int32Array {
    if (this.rung) {
      for (let word = 0; word < 8; word++) this.pending[word] = this.pending[word]! | this.#bits[word]!;
      this.#bits.fill(0);
      this.rung = false;
    }
    return this.pending;
  }
}
