/**
 * The doorbell between domains: pending bits in a page that both have mapped, and an event channel to wake who sleeps.
 * A ring costs a hypercall only where the other side sleeps; with the futex's Dekker pair (control/layout.ts) neither can
 * miss the other, for the pages are ordinary memory to both.
 */
import type { DoorbellRinger, DoorbellWaiter } from '../control/contracts.ts';
import { MAX_WAIT_MILLIS } from '../control/futex-bell.ts';
import { BELL, BELL_PENDING_WORDS } from '../control/layout.ts';
import type { EventChannels } from './event-channels.ts';

/** What a bell needs of them. */
export type Channels = Pick<EventChannels, 'notify' | 'wait' | 'unmask'>;

/** A bell's words in a shared mapping, and the port of this domain on the channel to the other side. */
export interface EventPlace {
  readonly words: Int32Array;
  /** Index of the bell's first word. */
  readonly at: number;
  readonly port: number;
}

export class EventRinger implements DoorbellRinger {
  readonly #channels: Channels;
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #port: number;

  constructor(channels: Channels, { words, at, port }: EventPlace) {
    this.#channels = channels;
    this.#words = words;
    this.#at = at;
    this.#port = port;
  }

  ring(source: number): void {
    const words = this.#words;
    Atomics.or(words, this.#at + BELL.pending + ((source >>> 5) & (BELL_PENDING_WORDS - 1)), 1 << (source & 31));
    if (Atomics.load(words, this.#at + BELL.waiting) !== 0) this.#channels.notify(this.#port);
  }

  close(): void {}
}

/** Where a waiter listens. */
export interface HeardPlace extends EventPlace {
  /**
   * Whoever rings here counts as this source, whatever it writes: the back end knows its guests by their channels.
   * Left out: the bits are taken as they are.
   */
  readonly source?: number;
}

export class EventWaiter implements DoorbellWaiter {
  readonly pending = new Int32Array(BELL_PENDING_WORDS);
  readonly #channels: Channels;
  /** One element: a number in a field would be allocated anew at each change. */
  readonly #heard = new Float64Array(1);
  readonly #places: HeardPlace[] = [];

  /** @param channels for this waiter alone: whatever becomes pending on them is taken. */
  constructor(channels: Channels, places: readonly HeardPlace[]) {
    this.#channels = channels;
    for (const place of places) this.add(place);
  }

  add(place: HeardPlace): void {
    this.#places.push(place);
  }

  /** @returns whether something was listened to there. */
  remove(port: number): boolean {
    const at = this.#places.findIndex((place) => place.port === port);
    if (at >= 0) this.#places.splice(at, 1);
    return at >= 0;
  }

  /** Rings that were found, since the start: several before one look are one. */
  get heard(): number {
    return this.#heard[0] as number;
  }

  wait(timeoutMillis: number): boolean {
    if (this.#collect() || this.#any()) return true;
    if (timeoutMillis <= 0) return false;
    this.#setWaiting(1);
    if (!this.#collect()) {
      // Unmasked before the words are looked at: what rings in between is pending again, or already seen.
      this.#channels.unmask(this.#channels.wait(Math.min(timeoutMillis, MAX_WAIT_MILLIS)));
    }
    this.#setWaiting(0);
    return this.#collect() || this.#any();
  }

  close(): void {}

  #setWaiting(value: number): void {
    for (let index = 0; index < this.#places.length; index++) {
      const place = this.#places[index] as HeardPlace;
      Atomics.store(place.words, place.at + BELL.waiting, value);
    }
  }

  #collect(): boolean {
    let seen = false;
    for (let index = 0; index < this.#places.length; index++) {
      if (this.#collectFrom(this.#places[index] as HeardPlace)) seen = true;
    }
    return seen;
  }

  #collectFrom({ words, at, source }: HeardPlace): boolean {
    let seen = 0;
    for (let word = 0; word < BELL_PENDING_WORDS; word++) {
      const place = at + BELL.pending + word;
      if (Atomics.load(words, place) === 0) continue;
      const bits = Atomics.exchange(words, place, 0);
      if (source === undefined) this.pending[word] = (this.pending[word] as number) | bits;
      seen |= bits;
    }
    if (seen === 0) return false;
    this.#heard[0] = this.heard + 1;
    if (source !== undefined) {
      const word = (source >>> 5) & (BELL_PENDING_WORDS - 1);
      this.pending[word] = (this.pending[word] as number) | (1 << (source & 31));
    }
    return true;
  }

  #any(): boolean {
    for (let word = 0; word < BELL_PENDING_WORDS; word++) if (this.pending[word] !== 0) return true;
    return false;
  }
}
