import { z } from 'zod';

/**
 * What the bench found: the document that `memtide bench --json` prints, described for people in test/bench/README.md.
 * Units are in the keys. What was not measured is absent, never 0.
 */
const count = z.int().nonnegative();
const figure = z.number().nonnegative();
const cache = z.enum(['hot', 'cold']);
export type Cache = z.infer<typeof cache>;

/** Everything about the machine that a latency depends on; what cannot be read is absent. */
export const environment = z.object({
  date: z.iso.datetime(),
  cpu: z.string(),
  cores: count,
  arch: z.string(),
  kernel: z.string(),
  node: z.string(),
  memory_mib: count,
  page_bytes: count,
  thp: z.string().optional(),
  thp_shmem: z.string().optional(),
  huge_page_bytes: count.optional(),
  last_level_cache_bytes: count,
  load_1min: figure,
  malloc: z.string(),
  arena_mib: figure,
  arena_huge: z.boolean(),
  arena_huge_reason: z.string().optional(),
  arena_locked: z.boolean(),
  chunk_bytes: count,
  /** Cold cases go round in at least this much. */
  cold_bytes: count,
  doorbell: z.enum(['futex', 'fifo']),
  /** What was asked for; an ordinary user is refused it. */
  fast_plane_nice: z.int(),
  fast_plane_policy: z.enum(['other', 'fifo']).optional(),
  quick: z.boolean(),
});

const stages = z.object({ notify: figure, decide: figure, release: figure, populate: figure, touch: figure });

/** One case at one size and cache state. */
export const row = z.object({
  case: z.string(),
  /** Absent where it has no meaning. */
  cache: cache.optional(),
  bytes: count,
  n: count,
  p50_us: figure,
  /** From 1,000 samples on. */
  p99_us: figure.optional(),
  max_us: figure,
  /** Page faults that the process took in a sample. */
  faults_p50: count,
  faults_min: count,
  /** Tier 2 only: medians of the stages of a request. */
  stages_p50_us: stages.optional(),
});

/** Tier 1 less the bare touch, taken round by round: holds where the difference of two noisy medians would not. */
const gap = z.object({
  cache,
  bytes: count,
  n: count,
  p50_us: z.number(),
  /** Where the true median lies with a confidence of 95 %. */
  low_us: z.number(),
  high_us: z.number(),
  /** The same difference for `local-pool`: the same work on the same memory, so what the method itself is off by. */
  control_us: z.number(),
});

const background = z.object({
  /** CPU time of the front end's and the back end's whole processes for each MiB that tier 1 gave. */
  cpu_us_per_mib: figure,
  /** The same by size of lease: small ones pay for a wake-up and share its cost among few bytes. */
  by_size: z.array(z.object({ bytes: count, cpu_us_per_mib: figure })),
  /** The zeroing in it. */
  scrub_us_per_mib: figure,
  /** Once, when the arena is made. */
  populate_us_per_mib: figure,
  /** Once for each application: from the call to the connection, the arena mapped; and its CPU time in this process. */
  connect_us: figure,
  map_us_per_mib: figure,
  idle_warm_mib: figure,
  /** Share of the tier 1 requests that found their memory claimable. */
  hit_rate: z.number().min(0).max(1),
  rewarm_mib_per_s: figure,
});

const handshake = z.object({
  n: count,
  p50_us: figure,
  p99_us: figure.optional(),
  max_us: figure,
  futex_p50_us: figure,
  futex_p99_us: figure.optional(),
  ratio_p50: figure,
  /** To a back end that is still awake from the request before. */
  busy_p50_us: figure,
});

/** An agent that has nothing to do, above a Node process that does nothing. May be negative within the noise. */
const agent = z.object({
  cpu_percent: z.number(),
  /** RssAnon + RssFile; the mapped arena (RssShmem) stands apart. */
  rss_mib: z.number(),
  shmem_mib: figure,
  seconds: figure,
  sample_hz: figure,
});

export const benchResultSchema = z.object({
  platform: z.literal('linux'),
  environment,
  rows: z.array(row),
  tier1_minus_touch_us: z.array(gap),
  background,
  handshake,
  agent: agent.optional(),
  /** Sizes for which this machine has not enough memory. */
  left_out: z.array(z.object({ case: z.string(), bytes: count, reason: z.string() })),
  /** What makes a figure mean less than it says. */
  warnings: z.array(z.string()),
});

export type BenchResult = z.infer<typeof benchResultSchema>;
export type BenchEnvironment = z.infer<typeof environment>;
export type BenchRow = z.infer<typeof row>;
export type PairedGap = z.infer<typeof gap>;
export type Background = z.infer<typeof background>;
export type HandshakeResult = z.infer<typeof handshake>;
export type AgentCost = z.infer<typeof agent>;
export type TierTwoStages = z.infer<typeof stages>;
export type LeftOut = BenchResult['left_out'][number];
