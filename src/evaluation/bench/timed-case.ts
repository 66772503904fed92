import type { Cache, TierTwoStages } from './result.ts';

/**
 * One way to get memory. Each times one allocation of `bytes` up to the last byte written, and tidies up outside the
 * timed part.
 */
export interface TimedCase {
  readonly name: string;
  /** Absent where it has no meaning. */
  readonly cache?: Cache;
  /** Sizes it has a meaning for. */
  fits(bytes: number): boolean;
  /** Makes ready outside the timed part. */
  prepare?(bytes: number): void | Promise<void>;
  /** @returns microseconds; NaN for a sample that is none, such as a request that was served in another way. */
  sample(bytes: number): number | Promise<number>;
  /** Tidies up outside the timed part. */
  finish?(bytes: number): void | Promise<void>;
  /** After all rounds of a size. */
  end?(): void;
  /** Of the sample just taken. */
  stages?(): TierTwoStages | undefined;
}

export const microsSince = (before: number): number => (performance.now() - before) * 1000;
