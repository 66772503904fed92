import type { Clock } from '../clock.ts';

/** Memory of Xen's free heap that is set aside for a guest that is to be created. One at a time. */
export class Room {
  readonly #clock: Clock;
  #byteLength = 0;
  #untilMicros = 0;
  #waiting: { readonly untilMicros: number; readonly resolve: (isThere: boolean) => void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when nothing is set aside. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** In place of what was set aside before. @returns whether it is there, at the latest after `waitMicros`. */
  ask(byteLength: number, waitMicros: number, holdMicros: number): Promise<boolean> {
    this.#answer(false);
    const now = this.#clock.monotonicMicros();
    this.#byteLength = byteLength;
    this.#untilMicros = now + waitMicros + holdMicros;
    return new Promise((resolve) => {
      this.#waiting = { untilMicros: now + waitMicros, resolve };
    });
  }

  /** @param isThere so much is free, and promised to nobody. */
  look(isThere: boolean): void {
    const now = this.#clock.monotonicMicros();
    if (isThere) this.#answer(true);
    else if (this.#waiting && now >= this.#waiting.untilMicros) this.#answer(false);
    if (now >= this.#untilMicros) this.done();
  }

  /** It is used, or not needed any more. */
  done(): void {
    this.#byteLength = 0;
    this.#answer(false);
  }

  #answer(isThere: boolean): void {
    this.#waiting?.resolve(isThere);
    this.#waiting = undefined;
  }
}
