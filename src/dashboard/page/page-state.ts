/** What the user sees of the drive: which window of time, whether it follows, which burst. */
import type { Burst } from './data/burst.ts';
import { type DriveModel, firstAfter } from './data/drive-model.ts';
import { type Extent, spanOf, type TimeWindow, whole, within } from './data/time-window.ts';

const FIRST_SPAN_MILLIS = 30_000;
/** Time enough to read of a burst before the next one is shown. */
const STAY_MILLIS = 4000;
/** What is shown unasked is large enough to be interesting. */
const WORTH_BYTES = 4 * 1024 * 1024;
const LOOKED_AT = 500;

export class PageState {
  model: DriveModel;
  readonly live: boolean;
  /** The window moves with time. */
  follows: boolean;
  #window: TimeWindow | undefined;
  #span = FIRST_SPAN_MILLIS;
  #chosen: Burst | undefined;
  #shown: Burst | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #newsAt = performance.now();

  constructor(model: DriveModel, live: boolean) {
    this.model = model;
    this.live = live;
    this.follows = live;
  }

  /** The same drive, read again or further. */
  renew(model: DriveModel): void {
    if (model !== this.model) {
      this.#chosen = undefined;
      this.#shown = undefined;
    }
    this.model = model;
    // While a drive is read, what is the latest changes with every piece.
    this.#shownAt = Number.NEGATIVE_INFINITY;
    this.noteNews();
  }

  noteNews(): void {
    this.#newsAt = performance.now();
  }

  /** What there is to see. A live drive goes on even while nothing is heard. */
  get extent(): Extent {
    const { startMillis, endMillis } = this.model;
    if (startMillis > endMillis) return { fromMillis: Date.now() - FIRST_SPAN_MILLIS, toMillis: Date.now() };
    const toMillis = this.live ? endMillis + Math.max(0, performance.now() - this.#newsAt - 250) : endMillis;
    return { fromMillis: startMillis, toMillis };
  }

  get window(): TimeWindow {
    const { extent } = this;
    if (this.follows)
      return { fromMillis: extent.toMillis - this.#span, toMillis: extent.toMillis + this.#span * 0.01 };
    return this.#window ?? whole(extent);
  }

  look(window: TimeWindow): void {
    const { extent } = this;
    this.#window = window;
    this.#span = spanOf(window);
    // Who looks at the end of a live drive wants to see it go on.
    this.follows = this.live && window.toMillis >= extent.toMillis && window.fromMillis > extent.fromMillis;
  }

  /** So many milliseconds up to the end, or around the middle where the window does not follow. */
  lookAtSpan(millis: number): void {
    this.#span = millis;
    if (this.live) this.follows = true;
    else {
      const { fromMillis, toMillis } = this.window;
      const from = (fromMillis + toMillis - millis) / 2;
      this.#window = within({ fromMillis: from, toMillis: from + millis }, this.extent);
    }
  }

  lookAtAll(): void {
    this.#window = whole(this.extent);
    this.#span = spanOf(this.#window);
    this.follows = false;
  }

  follow(): void {
    this.follows = this.live;
    this.#span = Math.min(this.#span, 10 * 60_000);
  }

  choose(burst: Burst | undefined): void {
    this.#chosen = burst;
    this.#shownAt = Number.NEGATIVE_INFINITY;
    if (!burst || this.follows) return;
    const { fromMillis, toMillis } = this.window;
    if (burst.atMillis >= fromMillis && burst.atMillis <= toMillis) return;
    const from = burst.atMillis - this.#span / 2;
    this.#window = within({ fromMillis: from, toMillis: from + this.#span }, this.extent);
  }

  get hasChosen(): boolean {
    return this.#chosen !== undefined;
  }

  /** The burst before or after the one that is shown. */
  step(by: -1 | 1): void {
    const { bursts } = this.model;
    const shown = this.shownBurst;
    const at = shown ? bursts.indexOf(shown) : by > 0 ? -1 : bursts.length;
    const next = bursts[at + by];
    if (!next) return;
    this.#window = this.window;
    this.follows = false;
    this.choose(next);
  }

  /** The one that was chosen, or the latest in view that is worth a look, which stays for a while. */
  get shownBurst(): Burst | undefined {
    if (this.#chosen) return this.#chosen;
    const now = performance.now();
    if (this.#shown && now - this.#shownAt < STAY_MILLIS) return this.#shown;
    const { bursts } = this.model;
    const end = firstAfter(bursts, this.window.toMillis);
    const recent = bursts.slice(Math.max(0, end - LOOKED_AT), end);
    const worth = recent.filter(
      ({ local, refusal, requestedBytes }) => local && refusal === undefined && requestedBytes >= WORTH_BYTES,
    );
    // One with a donor has the most stages, and tells the most; in a live drive only while it is fresh.
    const since = this.live ? this.window.toMillis - STAY_MILLIS : Number.NEGATIVE_INFINITY;
    const telling = worth.findLast(({ tierBytes, atMillis }) => tierBytes.peer > 0 && atMillis > since);
    this.#shown = telling ?? worth.at(-1) ?? recent.at(-1) ?? bursts.at(-1);
    this.#shownAt = now;
    return this.#shown;
  }
}
