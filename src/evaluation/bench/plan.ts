import { formatBytes, KIB, MIB, roundDown, roundUp } from '../../units.ts';
import type { LeftOut } from './result.ts';

/** What a run measures, decided beforehand from what the machine has. Pure. */
export const BENCH_SIZES = [64 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB] as const;
export const CHUNK_BYTES = 2 * MIB;

/** Going round in this many last-level caches finds nothing of the round before in them. */
const COLD_CACHES = 4;
/** More than this of one cache is not gone round in: it would be a machine whose caches hold all that the bench may. */
const MOST_COLD_SHARE = 1 / 6;

export interface BenchFacts {
  readonly sizes: readonly number[];
  /** The most that the bench may hold at once. */
  readonly memoryBytes: number;
  readonly lastLevelCacheBytes: number;
  /** Free on the tmpfs of the arena with base pages. */
  readonly tmpfsBytes: number;
}

export interface BenchPlan {
  readonly sizes: readonly number[];
  readonly arenaBytes: number;
  /** The arena with base pages, for `tier2-4k`. */
  readonly smallArenaBytes: number;
  readonly smallSizes: readonly number[];
  /** Private memory for `touch-only` and `local-pool`. */
  readonly regionBytes: number;
  /** What cold cases go round in. */
  readonly coldBytes: number;
  /** Written to between two samples, it leaves nothing of before in the caches. */
  readonly evictBytes: number;
  readonly leftOut: readonly LeftOut[];
  readonly warnings: readonly string[];
}

export function planBench({ sizes, memoryBytes, lastLevelCacheBytes, tmpfsBytes }: BenchFacts): BenchPlan {
  const wanted = COLD_CACHES * lastLevelCacheBytes;
  const coldBytes = roundUp(Math.min(wanted, memoryBytes * MOST_COLD_SHARE), CHUNK_BYTES);
  const evictBytes = Math.min(2 * lastLevelCacheBytes, coldBytes);
  // Two of the largest: a cold one then leaves the other behind in the caches, in the arena and beside it alike.
  const arenaFor = (size: number): number => roundUp(Math.max(2 * size, coldBytes), CHUNK_BYTES);
  // Beside arena and region: the ring of local-warm, the stretch that evicts, and one local allocation.
  const needed = (size: number): number => 2 * arenaFor(size) + coldBytes + evictBytes + size;
  const fitting = sizes.filter((size) => needed(size) <= memoryBytes);
  const largest = fitting.at(-1) ?? 0;
  const smallArenaBytes = roundDown(Math.min(Math.max(largest, 16 * MIB), tmpfsBytes), CHUNK_BYTES);
  const smallSizes = fitting.filter((size) => size <= smallArenaBytes);
  return {
    sizes: fitting,
    arenaBytes: arenaFor(largest),
    regionBytes: arenaFor(largest),
    smallArenaBytes,
    smallSizes,
    coldBytes,
    evictBytes,
    leftOut: [
      ...sizes
        .filter((size) => !fitting.includes(size))
        .map((bytes) => ({
          case: 'all',
          bytes,
          reason: `needs ${formatBytes(needed(bytes))}, of which the bench may hold ${formatBytes(memoryBytes)}`,
        })),
      ...fitting
        .filter((size) => !smallSizes.includes(size))
        .map((bytes) => ({
          case: 'tier2-4k',
          bytes,
          reason: `the tmpfs for shared memory has ${formatBytes(tmpfsBytes)} free`,
        })),
    ],
    warnings:
      coldBytes >= wanted
        ? []
        : [
            `cold cases go round in ${formatBytes(coldBytes)}, less than four last-level caches: they are not quite cold`,
          ],
  };
}

/** How often a size is measured with all cases, and how often more with those of resident memory alone. */
export interface Rounds {
  readonly all: number;
  readonly residentMore: number;
}

/**
 * Many where a round is short, so that p99 has something to stand on. Resident memory is told apart by microseconds in
 * milliseconds, and needs more rounds than the cases that take page faults.
 */
export function roundsFor(byteLength: number, quick: boolean): Rounds {
  if (byteLength <= 4 * MIB)
    return quick ? { all: byteLength <= MIB ? 200 : 100, residentMore: 0 } : { all: 1000, residentMore: 0 };
  if (byteLength <= 16 * MIB) return quick ? { all: 40, residentMore: 60 } : { all: 200, residentMore: 300 };
  if (byteLength <= 64 * MIB) return quick ? { all: 15, residentMore: 120 } : { all: 60, residentMore: 300 };
  return quick ? { all: 7, residentMore: 20 } : { all: 20, residentMore: 1000 };
}
