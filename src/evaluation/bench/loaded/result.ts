import { z } from 'zod';
import type { Figure } from '../figures.ts';
import { tailSchema } from '../tails.ts';

/**
 * What `memtide bench --loaded` found: the document of its `--json`. Units are in the keys. What was not measured is
 * absent, never 0.
 */
const count = z.int().nonnegative();

const refusal = z.object({
  construct: z.string(),
  wanted: z.string(),
  in_force: z.string(),
  refused: z.string().optional(),
  mend: z.string().optional(),
});

const constructRow = z.object({
  name: z.string(),
  /** What the configuration comes to when nothing is said. */
  is_default: z.boolean(),
  /** What this user or this machine was refused: then nothing was measured, for it would be something else. */
  refused: z.array(refusal),
  handshake_quiet: tailSchema.optional(),
  handshake_loaded: tailSchema.optional(),
  tier2_quiet: tailSchema.optional(),
  tier2_loaded: tailSchema.optional(),
});
export type ConstructRow = z.infer<typeof constructRow>;

const tierRow = z.object({
  case: z.string(),
  bytes: count,
  quiet: tailSchema.optional(),
  loaded: tailSchema.optional(),
});
export type TierRow = z.infer<typeof tierRow>;

export const loadedResultSchema = z.object({
  platform: z.literal('linux'),
  kind: z.literal('loaded'),
  environment: z.object({
    date: z.iso.datetime(),
    cpu: z.string(),
    cores: count,
    arch: z.string(),
    kernel: z.string(),
    node: z.string(),
    load_1min: z.number().nonnegative(),
    /** Programs that kept a CPU busy while it was loaded. */
    hogs: count,
    /** Whether the kernel schedules sessions as groups, within which alone a niceness counts. */
    session_groups: z.boolean(),
    quick: z.boolean(),
  }),
  constructs: z.array(constructRow),
  /** Under the default constructs. */
  tiers: z.array(tierRow),
  warnings: z.array(z.string()),
});
export type LoadedResult = z.infer<typeof loadedResultSchema>;

/** What is promised of the default constructs. */
export function loadedFigures({ constructs }: LoadedResult): Figure[] {
  const bare = constructs.find(({ name }) => name === 'none')?.handshake_loaded;
  const own = constructs.find(({ is_default }) => is_default)?.handshake_loaded;
  const bounds: Figure = { name: 'handshake p99.9 beside hogs: default ÷ none', unit: '', atLeast: 0.2, aim: 0.05 };
  if (bare?.p999_us === undefined || own?.p999_us === undefined) return [bounds];
  return [{ ...bounds, measured: own.p999_us / bare.p999_us, n: Math.min(own.n, bare.n) }];
}
