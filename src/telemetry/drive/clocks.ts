/**
 * What time it was when something was reported. A board without a real-time clock starts somewhere in the past and learns
 * the time minutes later, or never; its monotonic clock is right within a boot. So a time that was not synchronised is put
 * right afterwards, by what its boot, or the recorder, came to know. Pure: note everything first, then ask.
 */
import type { DriveClock, DriveMessage } from './format.ts';

/**
 * How a time was found.
 * - `own`: the agent's clock was synchronised.
 * - `boot`: by another moment of the same boot, at which it was.
 * - `recorder`: by the recorder's clock, at the message of this boot that reached it soonest: late by as much as that took.
 * - `none`: nobody knew. It is what the agent believed.
 */
export type TimeSource = 'own' | 'boot' | 'recorder' | 'none';

export interface DriveTime {
  /** Unix time in milliseconds. */
  readonly wallMillis: number;
  readonly by: TimeSource;
}

/** A difference between wall and monotonic clock, and when it held. In milliseconds. */
interface Anchor {
  readonly monoMillis: number;
  readonly offsetMillis: number;
}

/** Clocks that are being slewed differ by less between two messages; a step is worth an anchor of its own. */
const WORTH_MILLIS = 1;

export class DriveClocks {
  /** By boot id: moments at which its wall clock was right, in the order of the monotonic clock. */
  readonly #anchors = new Map<string, Anchor[]>();
  /** By boot id: the smallest difference between the recorder's right time and the boot's monotonic time. */
  readonly #soonest = new Map<string, number>();
  /** Live messages of the present start of the recorder, until it is known whether its clock was right. */
  #recorderBoot: string | undefined;
  #received: Array<{ readonly boot: string; readonly monoMillis: number; readonly rxMillis: number }> = [];
  #recorderOffset: number | undefined;

  /** A recorder has started: its monotonic times are of another kind from here on. */
  noteHeader(boot: string): void {
    if (boot === this.#recorderBoot) return;
    this.#recorderBoot = boot;
    this.#recorderOffset = undefined;
    this.#received = [];
  }

  noteClock({ monoMillis, wallMillis, synced }: DriveClock): void {
    if (synced !== true) return;
    this.#recorderOffset = wallMillis - monoMillis;
    if (this.#recorderBoot !== undefined) this.#anchor(this.#recorderBoot, monoMillis, wallMillis - monoMillis);
    for (const { boot, monoMillis: at, rxMillis } of this.#received.splice(0)) this.#arrived(boot, at, rxMillis);
  }

  noteMessage({ payload, rxMillis }: DriveMessage): void {
    const stamp = stampOf(payload);
    if (!stamp) return;
    const { boot, monoMillis, wallMillis, synced } = stamp;
    if (synced) this.#anchor(boot, monoMillis, wallMillis - monoMillis);
    if (rxMillis === undefined || payload.historical === true) return;
    if (this.#recorderOffset !== undefined) this.#arrived(boot, monoMillis, rxMillis);
    // The soonest of each second will do.
    else if (this.#isWorthKeeping(boot, monoMillis, rxMillis)) this.#received.push({ boot, monoMillis, rxMillis });
  }

  /** `undefined` for a message that bears no time: a last will. */
  timeOf(payload: DriveMessage['payload']): DriveTime | undefined {
    const stamp = stampOf(payload);
    if (!stamp) return undefined;
    const { boot, monoMillis, wallMillis, synced } = stamp;
    if (synced) return { wallMillis, by: 'own' };
    const anchor = nearest(this.#anchors.get(boot) ?? [], monoMillis);
    if (anchor) return { wallMillis: monoMillis + anchor.offsetMillis, by: 'boot' };
    const soonest = this.#soonest.get(boot);
    if (soonest !== undefined) return { wallMillis: monoMillis + soonest, by: 'recorder' };
    return { wallMillis, by: 'none' };
  }

  #arrived(boot: string, monoMillis: number, rxMillis: number): void {
    const offset = rxMillis + this.#recorderOffset! - monoMillis;
    this.#soonest.set(boot, Math.min(offset, this.#soonest.get(boot) ?? Number.POSITIVE_INFINITY));
  }

  #isWorthKeeping(boot: string, monoMillis: number, rxMillis: number): boolean {
    const last = this.#received.findLast((each) => each.boot === boot);
    return !last || rxMillis - monoMillis < last.rxMillis - last.monoMillis;
  }

  #anchor(boot: string, monoMillis: number, offsetMillis: number): void {
    const anchors = this.#anchors.get(boot) ?? [];
    this.#anchors.set(boot, anchors);
    const near = nearest(anchors, monoMillis);
    if (near && Math.abs(near.offsetMillis - offsetMillis) < WORTH_MILLIS) return;
    anchors.splice(indexFrom(anchors, monoMillis), 0, { monoMillis, offsetMillis });
  }
}

interface ReadStamp {
  readonly boot: string;
  readonly monoMillis: number;
  readonly wallMillis: number;
  readonly synced: boolean;
}

function stampOf({ boot, mono_ns, ts, synced }: DriveMessage['payload']): ReadStamp | undefined {
  if (typeof boot !== 'string' || typeof mono_ns !== 'string' || typeof ts !== 'string') return undefined;
  const [monoMillis, wallMillis] = [Number(mono_ns) / 1e6, Date.parse(ts)];
  if (!Number.isFinite(monoMillis) || Number.isNaN(wallMillis)) return undefined;
  return { boot, monoMillis, wallMillis, synced: synced === true };
}

/** The first that is not before `monoMillis`. */
function indexFrom(anchors: readonly Anchor[], monoMillis: number): number {
  let [low, high] = [0, anchors.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (anchors[middle]!.monoMillis < monoMillis) low = middle + 1;
    else high = middle;
  }
  return low;
}

function nearest(anchors: readonly Anchor[], monoMillis: number): Anchor | undefined {
  const after = indexFrom(anchors, monoMillis);
  const [left, right] = [anchors[after - 1], anchors[after]];
  if (!left || !right) return left ?? right;
  return monoMillis - left.monoMillis <= right.monoMillis - monoMillis ? left : right;
}
