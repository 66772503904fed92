import { memset } from '../../../native/libc.ts';
import { PrivateRegion } from '../resident-cases.ts';
import { microsSince } from '../timed-case.ts';
import type { Burst, BurstMemory } from './play.ts';

const TOUCH = 0x5a;

/**
 * The static split, for real: each domain has a share of private memory, resident before it is needed, and nothing else.
 * It is the best that a process can do for itself, too, where its share holds its worst case.
 */
export class PrivateShares implements BurstMemory {
  readonly #region: PrivateRegion;
  readonly #chunkBytes: number;
  /** Addresses of free chunks of each domain, the lowest last: what was used last is used again first. */
  readonly #free: number[][] = [];

  /** @param shares in bytes, whole chunks. */
  constructor(shares: readonly number[], chunkBytes: number, huge: boolean) {
    this.#chunkBytes = chunkBytes;
    const whole = shares.reduce((sum, share) => sum + share, 0);
    this.#region = new PrivateRegion(Math.max(whole, chunkBytes), huge);
    let at = this.#region.address;
    for (const share of shares) {
      const chunks = Array.from({ length: share / chunkBytes }, (_, index) => at + index * chunkBytes);
      this.#free.push(chunks.reverse());
      at += share;
    }
  }

  take(domain: number, byteLength: number): Burst {
    const before = performance.now();
    const free = this.#free[domain]!;
    const chunks = Math.ceil(byteLength / this.#chunkBytes);
    if (chunks > free.length) return { from: 'refused', micros: microsSince(before) };
    const taken = free.splice(free.length - chunks);
    for (const address of taken) memset(address, TOUCH, this.#chunkBytes);
    const micros = microsSince(before);
    return { from: 'own', micros, release: () => free.push(...taken) };
  }

  idleBytes(): number {
    return this.#free.reduce((sum, free) => sum + free.length, 0) * this.#chunkBytes;
  }

  close(): void {
    this.#region.close();
  }
}
