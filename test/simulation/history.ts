/** What happened last, kept cheaply and told only when a run fails. */
const KEPT = 20;

export class History {
  readonly #micros = new Float64Array(KEPT);
  readonly #who: string[] = [];
  readonly #what: string[] = [];
  #next = 0;

  note(micros: number, who: string, what: string): void {
    const at = this.#next++ % KEPT;
    this.#micros[at] = micros;
    this.#who[at] = who;
    this.#what[at] = what;
  }

  /** The last events, the oldest first, a line each. */
  toString(): string {
    const lines: string[] = [];
    for (let event = Math.max(0, this.#next - KEPT); event < this.#next; event++) {
      const at = event % KEPT;
      lines.push(`${(this.#micros[at]! / 1000).toFixed(3).padStart(12)} ms  ${this.#who[at]} ${this.#what[at]}`);
    }
    return lines.join('\n');
  }
}
