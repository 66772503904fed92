import { MemtideError } from '../errors.ts';
import { memset } from '../native/libc.ts';
import type { Claimed } from '../platforms/contracts.ts';
import type { BurstStages, Tier } from '../records.ts';
import type { LeaseWindow } from './lease-windows.ts';

/** What ended a lease. */
export type LeaseEnd = 'released' | 'connection-closed';

/** What the holder of a revocable lease is told when its memory is wanted elsewhere. */
export interface ReclaimRequest {
  /** How much is wanted in all, of this and perhaps other leases. */
  readonly wantedBytes: number;
  readonly lease: Lease;
}

/** What a lease needs of its connection; not for applications. */
export interface LeaseOwner {
  end(lease: Lease): void;
}

/**
 * Memory lent to this process: zeroed, resident, mapped, and its own until `release()`.
 *
 * `view` throws after the release. A view taken *before* still points at the arena afterwards, like a pointer after
 * free(): JavaScript gives no way to take it back (src/decisions/0003).
 */
export class Lease {
  readonly byteLength: number;
  /** Bytes by the tier that gave them; their sum may exceed `byteLength` by less than a chunk. */
  readonly tierBytes: Readonly<Record<Tier, number>>;
  /** From the request to this object, in microseconds. */
  readonly totalMicros: number;
  readonly stages: BurstStages;
  readonly revocable: boolean;
  readonly onReclaim: ((request: ReclaimRequest) => void | Promise<void>) | undefined;
  /** Not for applications. */
  readonly claimed: Claimed;
  /** Not for applications. */
  readonly window: LeaseWindow | undefined;

  readonly #owner: LeaseOwner;
  readonly #address: number;
  readonly #buffer: ArrayBuffer;
  readonly #offset: number;
  #view: Uint8Array | undefined;
  #ended: LeaseEnd | undefined;
  #touchMicros: number | undefined;

  constructor(init: {
    readonly owner: LeaseOwner;
    readonly claimed: Claimed;
    readonly window: LeaseWindow | undefined;
    readonly address: number;
    readonly buffer: ArrayBuffer;
    readonly offset: number;
    readonly byteLength: number;
    readonly totalMicros: number;
    readonly stages: BurstStages;
    readonly revocable: boolean;
    readonly onReclaim: ((request: ReclaimRequest) => void | Promise<void>) | undefined;
  }) {
    this.#owner = init.owner;
    this.claimed = init.claimed;
    this.window = init.window;
    this.#address = init.address;
    this.#buffer = init.buffer;
    this.#offset = init.offset;
    this.byteLength = init.byteLength;
    this.totalMicros = init.totalMicros;
    this.stages = init.stages;
    this.revocable = init.revocable;
    this.onReclaim = init.onReclaim;
    const { reserveBytes, poolBytes, peerBytes } = init.claimed;
    this.tierBytes = { reserve: reserveBytes, pool: poolBytes, peer: peerBytes };
  }

  /** The memory. @throws MemtideError after the lease has ended. */
  get view(): Uint8Array {
    if (this.#ended !== undefined) throw this.#overError();
    this.#view ??= new Uint8Array(this.#buffer, this.#offset, this.byteLength);
    return this.#view;
  }

  get ended(): LeaseEnd | undefined {
    return this.#ended;
  }

  /** Microseconds that the first `fill` took. */
  get touchMicros(): number | undefined {
    return this.#touchMicros;
  }

  /** Offset of byte 0 in the arena file; `undefined` for a lease whose pieces are scattered. */
  get arenaOffset(): number | undefined {
    return this.window ? undefined : this.#offset;
  }

  /** Writes every byte, as fast as the machine can. @returns how long it took, in microseconds. */
  fill(byte: number): number {
    if (this.#ended !== undefined) throw this.#overError();
    const before = performance.now();
    memset(this.#address, byte, this.byteLength);
    const elapsed = (performance.now() - before) * 1000;
    this.#touchMicros ??= elapsed;
    return elapsed;
  }

  /** Gives the memory back. A second call does nothing. */
  release(): void {
    if (this.#ended !== undefined) return;
    this.end('released');
    this.#owner.end(this);
  }

  /** Not for applications. */
  end(how: LeaseEnd): void {
    this.#ended = how;
    this.#view = undefined;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  #overError(): MemtideError {
    return new MemtideError({
      operation: 'use a lease',
      object: `${this.byteLength} bytes`,
      expected: 'a lease that has not ended',
      actual: this.#ended === 'released' ? 'it was released' : 'the connection to the agent has ended',
      remedy: 'borrow again',
    });
  }
}
