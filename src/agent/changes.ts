/** Remembers what was said of each subject, so that only news is said again. */
export class Changes {
  readonly #last = new Map<string, readonly unknown[]>();

  /** @param always says it anyway: whoever came late must hear it too. */
  isNew(subject: string, always: boolean, ...values: readonly unknown[]): boolean {
    const last = this.#last.get(subject);
    if (!always && last?.every((value, at) => value === values[at])) return false;
    this.#last.set(subject, values);
    return true;
  }
}
