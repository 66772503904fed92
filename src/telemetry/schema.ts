/**
 * The wire schema, version 1: what each message carries. Payloads are flat JSON objects with units in the names.
 *
 * - A reader accepts fields that it does not know: new fields come within a version, a changed meaning is a new version.
 * - A figure that could not be read is absent, never 0.
 * - `mono_ns` is a decimal string: as a JSON number it would lose its last digits after 104 days of uptime (2^53 ns).
 * - `seq` counts the messages of one topic from 0 at each start of the agent: a gap is that many messages lost.
 */
import { z } from 'zod';
import { MODES } from '../records.ts';
import { SCHEMA_VERSION } from './kinds.ts';
import type { Report } from './topics.ts';

const count = () => z.int().min(0);
const quantity = () => z.number().min(0);
const percent = () => z.number().min(0).max(100);
/** Text that people read. Bounded, because it comes from peers. */
const text = () => z.string().max(1024);

const version = { v: z.literal(SCHEMA_VERSION).describe('Version of this schema.') };
const boot = z.string().min(1).max(64).describe('The kernel’s boot id. Monotonic times compare only within one boot.');

/** When, by every clock there is. A board without a real-time clock starts with a wrong `ts`; an export corrects it. */
const stamp = {
  ...version,
  seq: count().describe(
    'Number of the message within its topic since the agent started; answers count together, and so does coordination.',
  ),
  boot,
  mono_ns: z
    .string()
    .regex(/^\d{1,20}$/)
    .describe('CLOCK_MONOTONIC of what is reported, in ns, as decimal digits.'),
  ts: z.iso.datetime({ precision: 3 }).describe('The same instant by the wall clock, UTC.'),
  synced: z.boolean().optional().describe('Whether the wall clock is synchronised. Absent: the kernel did not say.'),
};

/** Of messages that a spool keeps until they are delivered. */
const spooled = {
  spool: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional()
    .describe('Id of the spool that keeps the message. Absent: none does.'),
  spool_seq: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Its number there. Spool, boot and number are the id of a message: whoever gets it twice sees it by that.',
    ),
  historical: z
    .literal(true)
    .optional()
    .describe('It was not sent, or not confirmed, when it was live, and comes from the spool.'),
};

const missing = z
  .array(text())
  .max(32)
  .optional()
  .describe('Figures that could not be read, each as "source: reason".');
const scope = z
  .enum(['domain', 'machine'])
  .describe('Whether the figures speak of this domain or of the whole machine.');

const dropped = () =>
  count().optional().describe('Given up since the agent started because the queue was full. Absent: none.');

/** Retained. The last will is the short form: the broker sends it later, so it must not claim a time. */
const state = z.looseObject({
  ...version,
  status: z.enum(['online', 'offline']),
  reason: z.enum(['stopped', 'connection-lost']).optional().describe('Why it is offline.'),
  boot,
  seq: stamp.seq.optional(),
  mono_ns: stamp.mono_ns.optional(),
  ts: stamp.ts.optional(),
  synced: stamp.synced,
  queued: count().optional().describe('Messages waiting to be sent.'),
  dropped_mem: dropped(),
  dropped_psi: dropped(),
  dropped_alloc: dropped(),
  dropped_burst: dropped(),
  dropped_mark: dropped(),
  dropped_rsp: dropped(),
  dropped_coord: dropped(),
  spool: spooled.spool.describe('Id of the spool: a sink that has yet to hear of it says that it holds nothing of it.'),
  spool_unsent: count().optional().describe('Messages in the spool that no broker has acknowledged. Absent: no spool.'),
  spool_unconfirmed: count().optional().describe('Messages in the spool that no sink has confirmed.'),
  spool_bytes: count().optional().describe('What the spool takes of the disk.'),
  spool_cap_bytes: count().optional().describe('The most that it may take.'),
  spool_dropped: count().optional().describe('Messages that the spool has lost since it was made.'),
  spool_gaps: count().optional().describe('Gap records that tell of them.'),
  spool_refused: count()
    .optional()
    .describe('Messages since the agent started that the spool could not take: sent without it, if at all.'),
});

/** Retained birth: who speaks. */
const info = z.looseObject({
  ...stamp,
  memtide: text().describe('Version of memtide.'),
  node: text().describe('Version of Node.'),
  kernel: text().describe('Release of the kernel.'),
  arch: text(),
  mode: z.enum(MODES),
  board: text().optional().describe('Name of the board profile.'),
  enforced_by: text().optional().describe('What refuses a domain more than its budget.'),
});

const mem = z.looseObject({
  ...stamp,
  ...spooled,
  scope,
  used_bytes: count().optional(),
  limit_bytes: count().optional(),
  available_bytes: count().optional(),
  major_faults: count().optional().describe('Events since boot, as all counters here.'),
  pages_scanned_direct: count().optional(),
  pages_scanned_background: count().optional(),
  oom_kills: count().optional(),
  allocation_stalls: count().optional(),
  missing,
});

const psi = z.looseObject({
  ...stamp,
  ...spooled,
  scope,
  some_avg10_percent: percent(),
  full_avg10_percent: percent(),
  some_total_us: quantity(),
  full_total_us: quantity(),
});

/** How the domain’s memory divides by tier. */
const alloc = z.looseObject({
  ...stamp,
  ...spooled,
  limit_bytes: count().optional().describe('Private budget of the domain.'),
  reserve_bytes: count().optional().describe('Held ahead of need.'),
  offered_bytes: count().optional().describe('Of the pool, what this domain may claim with nobody’s help.'),
  leased_bytes: count()
    .optional()
    .describe('Lent to its programs now, with all of the chunks that small leases share.'),
  rounding_bytes: count().optional().describe('Of that: held by leases beyond what was asked for.'),
  split_free_bytes: count().optional().describe('Of that: free blocks of shared chunks, for this domain only.'),
  pool_bytes: count().optional().describe('Free, of no domain: the whole machine’s.'),
});

const burst = z.looseObject({
  ...stamp,
  ...spooled,
  id: z.string().min(1).max(128),
  domain: text(),
  mode: z.enum(MODES),
  outcome: z.enum(['served', 'refused']),
  refusal: text().optional(),
  requested_bytes: count(),
  reserve_bytes: count().describe('Served from what the domain already held: tier 0.'),
  pool_bytes: count().describe('Served from memory of no domain: tier 1.'),
  peer_bytes: count().describe('Served by donors: tier 2.'),
  idle_bytes: count().describe('What the domain held idle when the burst came.'),
  detect_us: quantity().optional(),
  notify_us: quantity().optional(),
  decide_us: quantity().optional(),
  release_us: quantity().optional(),
  populate_us: quantity().optional(),
  touch_us: quantity().optional(),
  total_us: quantity().describe('Request to usable and touched.'),
  probe_fresh_us: quantity().optional().describe('malloc and touch of fresh pages, the same size, in the same domain.'),
  probe_best_us: quantity().optional().describe('The fastest local way.'),
  probe_best_way: z.enum(['warm', 'huge']).optional(),
  probe_skipped: text().optional().describe('Why no local allocation was timed.'),
});

const mark = z.looseObject({
  ...stamp,
  ...spooled,
  source: z.enum(['keyboard', 'touch', 'gpio', 'command']),
  label: text().optional(),
});

/** What the spool can no longer give: numbers that will not come, or not again. */
const gap = z.looseObject({
  ...stamp,
  ...spooled,
  cause: z
    .enum(['cap', 'damage', 'restart', 'expired'])
    .describe(
      'cap: evicted for room before they were confirmed; damage: unreadable; restart: never used, or never acknowledged to who reported them; expired: acknowledged by a broker and evicted before a sink asked.',
    ),
  from_seq: z.int().min(1),
  to_seq: z.int().min(1),
  records: count().optional().describe('Messages among these numbers. Absent: nobody can know.'),
  unsent: count().optional().describe('Of these, how many no broker has acknowledged.'),
  retold: count().optional().describe('Of these, how many an earlier gap had told, which was evicted in its turn.'),
  at_least: z.boolean().optional().describe('records includes a part that nobody could count.'),
});

/** One schema for each report. */
export const REPORT_SCHEMAS = {
  state,
  info,
  'tele/mem': mem,
  'tele/psi': psi,
  'tele/alloc': alloc,
  'event/burst': burst,
  'event/mark': mark,
  'event/gap': gap,
} as const satisfies Record<Report, z.ZodType>;

type KnownKeys<T> = { [Key in keyof T as string extends Key ? never : Key]: T[Key] };
/** A message as written: the known fields only. */
export type ReportPayload<Kind extends Report> = KnownKeys<z.input<(typeof REPORT_SCHEMAS)[Kind]>>;
/** What every message but the last will carries. */
export type Stamp = Pick<ReportPayload<'event/mark'>, 'v' | 'seq' | 'boot' | 'mono_ns' | 'ts' | 'synced'>;

/** A command: any arguments beside the transaction id, which the answer repeats. */
export const commandEnvelope = z.looseObject({
  v: z.literal(SCHEMA_VERSION).optional(),
  txn: z.string().min(1).max(64).describe('Transaction id: chosen by who asks, repeated in the answer.'),
});

/** An answer, on `rsp/<verb>`: what the command gives comes beside these. */
export const responseEnvelope = z.looseObject({
  ...stamp,
  txn: z.string().optional().describe('Of the command. Absent: it had none that could be read.'),
  ok: z.boolean(),
  error: z.string().optional().describe('Why it was not done, in words.'),
});

/** From a sink, on `sink/watermark`, retained and every second or so while it listens. */
export const watermarkSchema = z.looseObject({
  v: z.literal(SCHEMA_VERSION).optional(),
  spool: z.string().describe('Of which spool.'),
  watermark: count().describe('Every number up to here has arrived, or a gap has told that it will not. 0: none yet.'),
  missing: z
    .array(z.tuple([count(), count()]))
    .max(64)
    .optional()
    .describe('The first ranges of numbers that are lacking before others that have arrived. Absent: all may be.'),
});
