import type { BalloonDriver } from '../../../src/platforms/xen/balloon-driver.ts';
import { type Bytes, bytes, MIB, mebibytes } from '../../../src/units.ts';

const BATCH = 2 * MIB;

/**
 * Linux's driver: a batch of 2 MiB each millisecond, or slower; when Xen or the kernel refuses one, it sleeps, until the distance to
 * the target is another one (drivers/xen/balloon.c, balloon_thread_cond).
 */
export class LinuxBalloon implements BalloonDriver {
  held: number;
  used: number = mebibytes(100);
  targets: number[] = [];
  /** Xen's max_pages. */
  cap: number;
  /** What a batch takes: 1 on a fast board, some 20 in an emulator. */
  batchMillis = 1;
  #waited = 0;
  #target: number;
  #asleepAt: number | undefined;

  constructor(bootBytes: number = mebibytes(256)) {
    this.held = bootBytes;
    this.#target = bootBytes;
    this.cap = bootBytes;
  }

  /** Whether Xen gives a batch; its free heap may be empty. */
  xenGives = (next: number): boolean => next <= this.cap;

  current = (): Bytes => bytes(this.held);
  target = (): Bytes => bytes(this.#target);
  available = (): Bytes => bytes(Math.max(0, this.held - this.used));
  setTarget(target: Bytes): void {
    this.#target = target;
    this.targets.push(target);
  }

  /** A millisecond of the driver's thread. */
  run(): void {
    const credit = this.#target - this.held;
    if (credit === 0 || credit === this.#asleepAt || ++this.#waited < this.batchMillis) return;
    this.#waited = 0;
    const next = this.held + Math.sign(credit) * Math.min(BATCH, Math.abs(credit));
    if ((next > this.held && !this.xenGives(next)) || next < this.used) this.#asleepAt = credit;
    else {
      this.#asleepAt = undefined;
      this.held = next;
    }
  }
}
