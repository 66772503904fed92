import type { Clock } from '../clock.ts';
import type { BurstRecord, LocalProbe, Mode } from '../records.ts';
import type { Bytes } from '../units.ts';

/** A burst as the application tells it. */
export type ToldBurst = Omit<BurstRecord, 'id' | 'domain' | 'mode' | 'probe'>;

export interface BurstBookOptions {
  readonly domain: string;
  /** As of now: it may be changed while the agents run. */
  readonly mode: () => Mode;
  readonly clock: Clock;
  /** Shortest time between two probes. */
  readonly probeGapMicros: number;
  /** Requests below this are not recorded. */
  readonly smallestBytes: number;
  /** Why no probe may be made now, or undefined. */
  readonly refusal: (byteLength: Bytes) => string | undefined;
  readonly probe: (byteLength: Bytes) => LocalProbe;
  /** Takes a finished record: with its probe, or with the reason why there is none. */
  readonly onRecord: (record: BurstRecord) => void;
}

/** A moment without a burst for this long is quiet. */
const QUIET_MICROS = 150_000;
/** A burst that found no quiet moment in this time is recorded without a probe. */
const PATIENCE_MICROS = 10_000_000;
/** A probe is fit for bursts of the same size for this long: the machine's state drifts. */
const FIT_MICROS = 10_000_000;
/** Waiting records; beyond it the oldest goes out without its probe. */
const MOST_WAITING = 256;

/**
 * Pairs each burst with a local allocation of the same size, timed in the same domain at a quiet moment. Records wait
 * here until then; nothing is lost, and a probe that could not be made is recorded as skipped.
 */
export class BurstBook {
  readonly #options: BurstBookOptions;
  readonly #waiting: BurstRecord[] = [];
  readonly #probes = new Map<number, { readonly probe: LocalProbe; readonly atMicros: number }>();
  #count = 0;
  #lastBurstMicros = Number.NEGATIVE_INFINITY;
  #lastProbeMicros = Number.NEGATIVE_INFINITY;

  constructor(options: BurstBookOptions) {
    this.#options = options;
  }

  /** @returns the record without its probe, or undefined when it is too small to be one. */
  add(told: ToldBurst): BurstRecord | undefined {
    const { domain, mode, clock, smallestBytes } = this.#options;
    if (told.requestedBytes < smallestBytes) return undefined;
    this.#lastBurstMicros = clock.monotonicMicros();
    this.#count++;
    const record: BurstRecord = {
      ...told,
      id: `${domain}-${Math.round(told.atMicros)}-${this.#count}`,
      domain,
      mode: mode(),
    };
    this.#waiting.push(record);
    if (this.#waiting.length > MOST_WAITING)
      this.#finish(this.#waiting.shift()!, 'too many bursts were waiting for a probe');
    return record;
  }

  /** Called several times a second: makes at most one probe, and lets go of what has its probe. */
  tick(): void {
    const now = this.#options.clock.monotonicMicros();
    this.#settle(now);
    const next = this.#waiting[0];
    if (!next || now - this.#lastBurstMicros < QUIET_MICROS) return;
    if (now - this.#lastProbeMicros < this.#options.probeGapMicros) return;
    const refusal = this.#options.refusal(next.requestedBytes);
    if (refusal !== undefined) {
      this.#waiting.shift();
      this.#finish(next, refusal);
      return;
    }
    this.#lastProbeMicros = now;
    this.#probes.set(next.requestedBytes, { probe: this.#options.probe(next.requestedBytes), atMicros: now });
    this.#settle(now);
  }

  /** Lets everything go: at the end. */
  flush(): void {
    for (const record of this.#waiting.splice(0)) this.#finish(record, 'the agent ended before a quiet moment came');
  }

  #settle(now: number): void {
    for (let at = 0; at < this.#waiting.length; ) {
      const record = this.#waiting[at]!;
      const fit = this.#probes.get(record.requestedBytes);
      const probe = fit && now - fit.atMicros < FIT_MICROS ? fit.probe : undefined;
      const late = now - record.atMicros > PATIENCE_MICROS;
      if (!probe && !late) {
        at++;
        continue;
      }
      this.#waiting.splice(at, 1);
      if (probe) this.#options.onRecord({ ...record, probe });
      else this.#finish(record, 'no quiet moment came in 10 s');
    }
  }

  #finish(record: BurstRecord, reason: string): void {
    this.#options.onRecord({ ...record, probe: { kind: 'skipped', reason } });
  }
}
