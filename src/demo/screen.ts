/**
 * A terminal that is redrawn in place: on the alternate screen, so that what was there before comes back, and line by
 * line, so that nothing flickers.
 */
const ENTER = '\u001b[?1049h\u001b[?25l'; // alternate screen, cursor hidden
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_TO_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

export class Screen {
  readonly #out: NodeJS.WritableStream;
  #open = false;

  constructor(out: NodeJS.WritableStream) {
    this.#out = out;
  }

  open(): void {
    this.#open = true;
    this.#out.write(ENTER);
  }

  /** @param rows of the terminal: what does not fit is left out at the end, for a screen that scrolls cannot be redrawn. */
  draw(lines: readonly string[], rows: number): void {
    if (!this.#open) return;
    const shown = lines.slice(0, rows).map((line) => line + CLEAR_TO_LINE_END);
    this.#out.write(HOME + shown.join('\r\n') + CLEAR_BELOW);
  }

  /** Gives the terminal back as it was. A second call does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#out.write(LEAVE);
  }
}
