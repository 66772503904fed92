import type { Clock } from '../clock.ts';

/** Memory of Xen's free heap that is set aside for a guest that is to be created. One at a time. */
export class Room {
  readonly #clock: Clock;
  #byteLength = 0;
  #untilMicros = 0;
  #isUsed: () => boolean = () => false;
  #waiting: { readonly untilMicros: number; readonly resolve: (isThere: boolean) => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when nothing is set aside. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /**
   * In place of what was set aside before.
   * @param isUsed whether whom it is for is there.
   * @returns whether it is there, at the latest at the first look after `waitMicros`.
   */
  ask(byteLength: number, waitMicros: number, holdMicros: number, isUsed: () => boolean): Promise<boolean> {
    this.#answer(false);
    const now = this.#clock.monotonicMicros();
    this.#byteLength = byteLength;
    this.#untilMicros = now + waitMicros + holdMicros;
    this.#isUsed = isUsed;
    return new Promise((resolve) => {
      this.#waiting = { untilMicros: now + waitMicros, resolve };
    });
  }

  /** @param isThere so much is free, and promised to nobody. */
  look(isThere: boolean): void {
    const now = this.#clock.monotonicMicros();
    if (isThere) this.#answer(true);
    else if (this.#waiting && now >= this.#waiting.untilMicros) this.#answer(false);
    if (now >= this.#untilMicros) this.#end();
  }

  /** Whom it was set aside for has taken it: before anything is planned, or others would make it up once more. */
  endOnceUsed(): void {
    if (this.#byteLength > 0 && this.#isUsed()) this.#end();
  }

  #end(): void {
    this.#byteLength = 0;
    this.#answer(false);
  }

  #answer(isThere: boolean): void {
    this.#waiting?.resolve(isThere);
    this.#waiting = undefined;
  }
}
