import { z } from 'zod';
import type { Figure } from '../figures.ts';
import { tailSchema } from '../tails.ts';

/**
 * What `memtide bench --pressure` found: the document of its `--json`. Units are in the keys. What was not measured is
 * absent, never 0.
 */
const count = z.int().nonnegative();
const share = z.number().min(0).max(1);

const poolRow = z.object({
  /** What was asked for: `arena.lock`. */
  lock: z.boolean(),
  /** Whether the kernel permitted it. */
  locked: z.boolean(),
  lock_reason: z.string().optional(),
  /** Share of the pool that was in memory, as mincore(2) says: right after it was used, and the least under pressure. */
  resident_quiet: share,
  resident_short: share.optional(),
  tiers: z.array(
    z.object({ case: z.string(), bytes: count, quiet: tailSchema.optional(), short: tailSchema.optional() }),
  ),
});
export type PoolRow = z.infer<typeof poolRow>;

export const pressureResultSchema = z.object({
  platform: z.literal('linux'),
  kind: z.literal('pressure'),
  environment: z.object({
    date: z.iso.datetime(),
    cpu: z.string(),
    cores: count,
    arch: z.string(),
    kernel: z.string(),
    node: z.string(),
    memory_mib: count,
    page_bytes: count,
    load_1min: z.number().nonnegative(),
    pool_bytes: count,
    quick: z.boolean(),
  }),
  /** How memory was made short, or why it was not. */
  shortage: z.union([
    z.object({
      by: z.string(),
      /** Where the kernel could put what it took; absent where it could only drop files. */
      swap: z.string().optional(),
      no_swap_reason: z.string().optional(),
      /** What the programs in the cgroup wanted beyond what they were allowed; without swap, files to be read. */
      short_by_bytes: count,
    }),
    z.object({ not_made: z.string(), remedy: z.string() }),
  ]),
  pools: z.array(poolRow),
  warnings: z.array(z.string()),
});
export type PressureResult = z.infer<typeof pressureResultSchema>;

/** What is promised of a pool that the kernel let be locked. */
export function pressureFigures({ pools }: PressureResult): Figure[] {
  const bounds: Figure = { name: 'locked pool that is not in memory while it is short', unit: '%', atLeast: 0, aim: 0 };
  const pool = pools.find(({ locked }) => locked);
  return [pool?.resident_short === undefined ? bounds : { ...bounds, measured: (1 - pool.resident_short) * 100 }];
}
