import { z } from 'zod';
import { environment } from '../result.ts';

/** What `memtide bench --domains --json` prints, described for people in test/bench/README.md. Units are in the keys. */
const count = z.int().nonnegative();
const figure = z.number().nonnegative();
const latency = z.object({ n: count, p50_us: figure, p99_us: figure.optional(), max_us: figure });

const row = z.object({
  domains: count,
  front_processes: count,
  /** A request to the back end's sleeping fast plane and its answer. */
  handshake: latency,
  /** Requests of all domains in turn at `rate_per_s`, nothing on offer: application, front end, back end and back. */
  request: latency,
  refused: count,
  rate_per_s: figure,
  /** Of one core: with nothing to do, and at that rate. */
  backend_idle_percent: figure,
  backend_busy_percent: figure,
  /** CPU time of a request in the back end, what it uses at rest taken off. */
  backend_us_per_request: z.number(),
  /** All front ends with nothing to do, of one core. */
  fronts_idle_percent: figure,
  /** A claim of what is on offer: the application alone, nobody is asked. */
  claim: latency,
  /** Claims and releases of what is on offer, by one thread for all domains in turn, one after the other as fast as it can. */
  claims_per_s: figure,
  /** Share of the tries that found something. */
  claims_hit_rate: z.number().min(0).max(1),
  /** CPU time of the front ends for each of them: a release wakes one, to scrub what came back. */
  front_us_per_claim: figure,
  /** Private memory (RssAnon). */
  backend_mib: figure,
  front_mib: figure,
  control_kib: figure,
});
export type DomainsRow = z.infer<typeof row>;

export const domainsResultSchema = z.object({
  platform: z.literal('linux'),
  /** No case is cold or hot here. */
  environment: environment.omit({ cold_bytes: true }),
  rows: z.array(row),
  warnings: z.array(z.string()),
});
export type DomainsResult = z.infer<typeof domainsResultSchema>;
