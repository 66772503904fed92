/**
 * Bytes that both sides of a pair have mapped. All fields are little-endian and reached through `words`, by `Atomics`
 * wherever the other side may write. Implementations: a tmpfs file, a Xen grant mapping.
 */
export interface ControlFile {
  /** The whole mapping as 32-bit words. */
  readonly words: Int32Array;
  /** The same bytes as 16-bit words, for the block table. */
  readonly halfwords: Uint16Array;
  /** Address of byte 0 in this process, for system calls that take one (futex). 0 where no address exists. */
  readonly address: number;
  readonly byteLength: number;
}

/**
 * The end of a doorbell that rings. `source` is the bit by which the waiter learns who rang (0 to 255).
 * A ring is never lost: if the waiter is not waiting, its next `wait` returns at once.
 */
export interface DoorbellRinger {
  ring(source: number): void;
  close(): void;
}

/** The end of a doorbell that waits. One thread at a time; the thread blocks. */
export interface DoorbellWaiter {
  /**
   * Blocks until somebody rings or the time is over. Wakes without a ring are allowed.
   * @param timeoutMillis 0 looks and returns; at most 250 (an endless wait keeps a process from exiting).
   * @returns true if a ring was seen. Which sources rang: `pending`.
   */
  wait(timeoutMillis: number): boolean;
  /** Sources that rang since they were last taken, 8 words of 32 bits; the caller clears what it has served. */
  readonly pending: Int32Array;
  close(): void;
}
