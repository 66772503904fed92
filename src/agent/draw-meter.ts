/** How far use has risen within a window of time: what a reserve must be able to meet before more can have come. */
export class DrawMeter {
  readonly #windowMicros: number;
  #samples: { readonly used: number; readonly atMicros: number }[] = [];

  constructor(windowMicros: number) {
    this.#windowMicros = windowMicros;
  }

  /** @returns bytes from the lowest use of the window to this one. */
  observe(used: number, nowMicros: number): number {
    const from = nowMicros - this.#windowMicros;
    // Those that are higher than what came later are the lowest of no window any more.
    this.#samples = this.#samples.filter((sample) => sample.atMicros >= from && sample.used < used);
    this.#samples.push({ used, atMicros: nowMicros });
    return used - this.#samples[0]!.used;
  }
}
