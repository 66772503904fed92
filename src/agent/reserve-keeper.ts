import { NO_DEMAND, observeDraw, type WatermarkRule, watermarksFor } from '../policy/watermarks.ts';
import type { Mode } from '../records.ts';
import type { Micros } from '../units.ts';

/**
 * How much a domain is to hold ahead of need: what was drawn of late, or what the joint bursts of all domains ask of it,
 * whichever is more. A size that somebody has fixed goes before both.
 */
export class ReserveKeeper {
  readonly #chunkBytes: number;
  readonly #rule: WatermarkRule;
  #demand = NO_DEMAND;
  #drawnBytes = 0;
  /** Set by the back end, from the bursts of all domains. */
  sizedBytes = 0;
  /** Set by the configuration or a command; `undefined` leaves it to policy. */
  fixedBytes: number | undefined;

  constructor(chunkBytes: number, rule: WatermarkRule, fixedBytes: number | undefined) {
    this.#chunkBytes = chunkBytes;
    this.#rule = rule;
    this.fixedBytes = fixedBytes;
  }

  /** Notes what an application has asked for, or will. */
  draw(byteLength: number): void {
    this.#drawnBytes = Math.max(this.#drawnBytes, byteLength);
  }

  /** Whether something was drawn since the last `targetChunks`. */
  get hasNews(): boolean {
    return this.#drawnBytes > 0;
  }

  /** @param urgent memory stalls are seen: the high watermark is aimed at. */
  targetChunks(now: Micros, mode: Mode, urgent: boolean): number {
    this.#demand = observeDraw(this.#demand, this.#drawnBytes, now, this.#rule);
    this.#drawnBytes = 0;
    if (mode === 'split') return 0; // the first design holds nothing ahead
    const { target, high } = watermarksFor(this.#demand, now, this.#rule);
    const wanted = this.fixedBytes ?? Math.max(urgent ? high : target, this.sizedBytes);
    return Math.ceil(wanted / this.#chunkBytes);
  }
}
