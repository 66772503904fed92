import { z } from 'zod';
import { environment } from '../result.ts';
import { SERVED_FROM } from './outcomes.ts';

/** What `memtide bench --curve --json` prints, described for people in test/bench/README.md. Units are in the keys. */
const count = z.int().nonnegative();
const figure = z.number().nonnegative();
const share = z.number().min(0).max(1);
/** `refused`: the percentile falls among bursts that were refused. */
const latency = z.union([figure, z.literal('refused')]);

/** Raw: one element a burst in each array. */
const samples = z.object({
  bytes: z.array(count),
  us: z.array(figure),
  from: z.array(z.enum(SERVED_FROM)),
});

const point = z.object({
  /** Set aside for bursts; idle while there are none. */
  set_aside_mib: figure,
  name: z.enum(['suggested', 'worst case']).optional(),
  /** Of each domain: memtide's reserve and offers; the static split's share. */
  reserve_mib: z.array(figure).optional(),
  offer_mib: z.array(figure).optional(),
  share_mib: z.array(figure).optional(),
  n: count,
  p50_us: latency,
  /** From 1,000 bursts on. */
  p99_us: latency.optional(),
  /** Of the bursts that were served. */
  max_us: figure.optional(),
  miss_share: share,
  served_from: z.record(z.enum(SERVED_FROM), count),
  /** Mean over recorded time. */
  idle_mib: figure,
  samples,
});
export type CurvePoint = z.infer<typeof point>;

const local = z.object({ n: count, p50_us: figure, p99_us: figure.optional(), max_us: figure });

const curve = z.object({
  recording: z.string(),
  scale: figure,
  peak_mib: figure,
  recorded_s: figure,
  /** In which a round was played: quiet gaps are cut. */
  played_s: figure,
  /** By how much the second domain was ahead of the first, in recorded time, in each round. */
  offsets_s: z.array(figure),
  suggested_mib: figure,
  worst_case_mib: figure,
  /** The most that both need at one moment, in any round. */
  joint_peak_mib: figure,
  memtide: z.array(point),
  static_split: z.array(point),
  /** malloc and touch of fresh pages, for the same requests. */
  local_fresh: local,
  /** Private memory of the process, resident and warm, enough of it: the best local way. */
  local_pool: local,
});
export type Curve = z.infer<typeof curve>;

export const curveResultSchema = z.object({
  platform: z.literal('linux'),
  /** No case is cold or hot here. */
  environment: environment.omit({ cold_bytes: true }),
  gap_ms: figure,
  miss_target: share,
  curves: z.array(curve),
  warnings: z.array(z.string()),
});
export type CurveResult = z.infer<typeof curveResultSchema>;
