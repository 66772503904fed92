/**
 * The configuration: one schema, units in the keys, unknown keys refused, every default with its reason. An empty
 * object is a valid configuration. The reference (`memtide config schema`) is made from this file, ranges and units
 * included, so a description says only what the range cannot: the meaning, and why the default is what it is.
 */
import { z } from 'zod';
import { MODES } from '../records.ts';
import { MAX_ARENA_MIB, MAX_MIB } from './bounds.ts';
import { SLUG, SLUG_FORM, TOPIC_LEVELS, TOPIC_LEVELS_FORM } from './names.ts';
import { guest, xen } from './schema-xen.ts';

/** Without user and password: an address with a secret in it would end in logs and birth messages. */
const BROKER_URL = /^mqtts?:\/\/[A-Za-z0-9.\-[\]:]+\/?$/;

const slug = () => z.string().regex(SLUG, { error: SLUG_FORM }).meta({ form: SLUG_FORM });
const whole = (min: number, max: number) => z.int().min(min).max(max);

const arena = z.strictObject({
  huge_pages: z
    .enum(['auto', 'always', 'never'])
    .default('auto')
    .describe(
      'Huge pages behind the arena. auto takes them where the kernel offers them: they make touching fresh memory several times faster.',
    ),
  chunk_kib: whole(256, 8192)
    .refine((kib) => (kib & (kib - 1)) === 0, { error: 'a power of two from 256 to 8192' })
    .meta({ form: 'a power of two from 256 to 8192 KiB' })
    .default(2048)
    .describe(
      'Size of a chunk, the smallest amount that is lent. 2048 is the huge page of arm64 and x86-64 with 4 KiB pages.',
    ),
  lock: z
    .boolean()
    .default(true)
    .describe(
      'Keep lent memory resident (mlock) where the system permits it: a page that was swapped out is no reserve.',
    ),
  pool_mib: whole(1, MAX_ARENA_MIB)
    .optional()
    .describe(
      'Arena memory that belongs to no domain when the agents are let in, beside reserves and floors. The rest follows in the background while no program wants it; taking all at once delays the start by 0.1 to 0.5 s a GiB. Left out: all that is no budget. At most 3 GiB, for a larger mapping aborts Node.',
    ),
});

const domain = z.strictObject({
  name: slug().describe('Name of the domain, in topics and reports.'),
  floor_mib: whole(1, MAX_MIB).describe(
    'Below this nobody takes memory from the domain: private budget and arena together. What exceeds budget_mib is kept for it in the arena.',
  ),
  ceiling_mib: whole(1, MAX_MIB).describe('Entitlement: how far the domain may grow with nobody’s consent.'),
  budget_mib: whole(1, MAX_MIB).describe(
    'Private memory of its unmodified programs at the start. Not taken below the floor; a floor above it asks for lent memory beside it.',
  ),
  reserve_mib: whole(0, MAX_MIB)
    .optional()
    .describe('Memory that the domain holds ahead of need. Left out: sized by policy from the bursts that were seen.'),
  guest: guest
    .optional()
    .describe(
      'The domain is a guest of Xen, of this name: all that it holds is moved, by its balloon, in place of a budget for programs.',
    ),
});

/** The two domains of the demo: a small one that must never wait, and a large one that bursts. */
const DEMO_DOMAINS: z.input<typeof domain>[] = [
  { name: 'cluster', floor_mib: 32, ceiling_mib: 256, budget_mib: 48 },
  { name: 'infotainment', floor_mib: 48, ceiling_mib: 512, budget_mib: 96 },
];

const pressure = z.strictObject({
  sample_hz: whole(1, 100)
    .default(10)
    .describe('Readings per second at rest. A reading costs some 45 µs; ten are enough to see a burst begin.'),
  burst_sample_hz: whole(1, 1000)
    .default(100)
    .describe('Readings per second while need rises. 100 resolves rise rates over 10 ms.'),
  psi: z
    .enum(['trigger', 'poll', 'off'])
    .default('trigger')
    .describe(
      'How pressure stall information is read. trigger: the agent sleeps until the kernel sees a stall; poll: it reads the totals ten times a second; off: not at all, and reports carry no stalls. Polling the same file fast starves triggers. PSI is the backstop: watermarks and rise rate come first.',
    ),
  psi_stall_ms: whole(1, 10_000)
    .default(150)
    .describe('Stall within one window that counts as pressure. At most the window.'),
  psi_window_ms: whole(500, 10_000)
    .default(2000)
    .describe(
      'Window in which stalls are added up. For a trigger the kernel accepts multiples of 2000 only without CAP_SYS_RESOURCE; 2000 is taken where it refuses.',
    ),
});

const policy = z.strictObject({
  step_cap_mib: whole(1, MAX_MIB)
    .default(64)
    .describe('Most memory moved by one decision: it bounds the damage of a wrong one, and 64 MiB cover most bursts.'),
  tokens_mib_per_s: whole(1, MAX_MIB)
    .default(256)
    .describe('Memory that may change hands per second, on average, in each domain: the brake on oscillation.'),
  token_burst_mib: whole(1, MAX_MIB)
    .default(256)
    .describe('Memory that may change hands at once after a quiet time. At least step_cap_mib.'),
  reclaim_deadline_ms: whole(1, 60_000)
    .default(200)
    .describe(
      'Time a donor has to let go before the request is served without it. 200 lets a callback and a kernel reclaim finish, and is the most a person takes for immediate.',
    ),
  stuck_after_misses: whole(1, 100)
    .default(3)
    .describe('Missed deadlines in a row before a donor counts as stuck and is asked no more. One miss is noise.'),
  stuck_backoff_s: whole(1, 3600)
    .default(5)
    .describe('How long a stuck donor is left alone the first time; doubled each time after.'),
  stuck_backoff_max_s: whole(1, 86_400)
    .default(300)
    .describe('Longest time a stuck donor is left alone. At least stuck_backoff_s.'),
  miss_target: z
    .number()
    .min(0.0001)
    .max(0.5)
    .default(0.01)
    .describe(
      'Probability that a burst finds less than it asks in reserve and pool together. Smaller costs more idle memory; 0.01 keeps p99 at local latency.',
    ),
});

const fastPlane = z.strictObject({
  doorbell: z
    .enum(['futex', 'fifo'])
    .default('futex')
    .describe(
      'Wake-up between agents. A futex takes 12 µs one way, a FIFO 50; the FIFO is for systems that refuse the futex.',
    ),
  policy: z
    .enum(['other', 'fifo'])
    .default('fifo')
    .describe(
      'Scheduling policy of the fast-plane thread where the system permits it. fifo is real time, and answers soonest beside busy programs (memtide bench --loaded); a guard takes it from a thread that does not sleep. other leaves it to the niceness.',
    ),
  fifo_priority: whole(1, 99)
    .default(10)
    .describe('Priority under fifo: above ordinary programs, below the kernel’s interrupt threads, which stand at 50.'),
  nice: whole(-20, 19)
    .default(-15)
    .describe(
      'Niceness of the fast-plane thread, and of the session that its agent leads, where the system permits it. It is what counts where fifo is refused or was taken away.',
    ),
  cpu: whole(0, 1023)
    .optional()
    .describe(
      'CPU to pin the fast-plane thread to. Left out: not pinned. All planes on one CPU answer soonest while one of them is busy, above all in virtual machines, but one that scrubs then holds up the others; on CPUs apart the tail is worse than unpinned.',
    ),
  spin_us: whole(0, 1000)
    .default(0)
    .describe('Time to spin before sleeping. 0: spinning hurts unless both sides are pinned to different CPUs.'),
});

const mqtt = z.strictObject({
  embedded: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Run a broker inside the agent, so that a dashboard works on a machine without one.'),
      host: z
        .string()
        .min(1)
        .max(253)
        .default('127.0.0.1')
        .describe(
          'Address the embedded broker listens on. It asks for no password, so whoever reaches it can read and command: loopback, unless domains talk over a private bridge.',
        ),
      port: whole(0, 65_535)
        .default(1883)
        .describe('Port of the embedded broker, 0 for any free one. 1883 is the registered one.'),
    })
    .prefault({})
    .describe('The broker inside the agent (MQTT 3.1.1). Not started when mqtt.url is given.'),
  url: z
    .string()
    .regex(BROKER_URL, { error: 'mqtt://host[:port] or mqtts://host[:port], without user and password' })
    .meta({ form: 'mqtt://host[:port] or mqtts://host[:port], without user and password' })
    .optional()
    .describe('An external broker. Left out: the embedded one.'),
  protocol_version: z
    .union([z.literal(4), z.literal(5)])
    .meta({ form: '4 (MQTT 3.1.1) or 5 (MQTT 5)' })
    .default(4)
    .describe('4 is understood by every broker; the embedded one refuses 5.'),
  username: z.string().min(1).max(256).optional().describe('User name for the external broker.'),
  password_file: z
    .string()
    .min(1)
    .optional()
    .describe('File whose first line is the password; it should be readable by its owner only.'),
  ca_file: z
    .string()
    .min(1)
    .optional()
    .describe('PEM of the certificate authority of an mqtts broker. Left out: the ones that Node knows.'),
  keepalive_s: whole(5, 300)
    .default(20)
    .describe('Longest silence before a ping. 15 to 30 s find a dead link soon and cost almost nothing.'),
  base_topic: z
    .string()
    .regex(TOPIC_LEVELS, { error: TOPIC_LEVELS_FORM })
    .meta({ form: TOPIC_LEVELS_FORM })
    .default('memtide')
    .describe('First level of every topic: <base_topic>/<vehicle>/<domain>/…'),
});

const spool = z.strictObject({
  dir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder for what is reported, in a folder for each domain, until it is delivered. Left out: what is reported without a connection is lost but for the last seconds.',
    ),
  cap_mib: whole(1, 65_536)
    .default(64)
    .describe(
      'Most disk that the spool of a domain takes; then the oldest go, and a gap says how many. 64 hold some two hours of readings at 10 Hz, and are read in a few seconds at the start.',
    ),
  fsync_ms: whole(10, 60_000)
    .default(1000)
    .describe(
      'Time between two syncs: what a power cut can take is the messages of that long. Shorter wears an SD card more.',
    ),
  drain_hz: whole(1, 100_000)
    .default(500)
    .describe(
      'Messages of the backlog sent per second, behind the live ones. 500 catch up with an hour of readings in a few minutes and leave a slow link to what is live.',
    ),
});

const metrics = z.strictObject({
  host: z
    .string()
    .min(1)
    .max(253)
    .default('127.0.0.1')
    .describe('Address on which /metrics is served. It asks for no password, and tells of health only.'),
  port: whole(1, 65_471)
    .optional()
    .describe(
      'Port of the back end’s /metrics; the agent of a domain takes the next ones, in the order of domains. Left out: none is served.',
    ),
});

const latency = z.strictObject({
  probe_min_gap_s: whole(0, 3600)
    .default(5)
    .describe(
      'Shortest time between two local-allocation probes. A probe allocates as much as the burst it is compared with: 64 MiB take some 35 ms, which every 5 s is below 1 % of a CPU.',
    ),
  min_burst_kib: whole(1, MAX_MIB * 1024)
    .default(256)
    .describe('Requests below this are not recorded as bursts: they fit in what any allocator keeps.'),
});

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least severe message that is written. SD cards wear: debug is for a desk.'),
});

const sections = {
  $schema: z.string().optional().describe('Where an editor finds the JSON Schema of this file. memtide ignores it.'),
  vehicle: slug().default('local').describe('Name of the machine, the second level of every topic.'),
  run_dir: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder for sockets, the control file and the arena. Left out: $XDG_RUNTIME_DIR/memtide, /run/memtide for root, else one in /dev/shm.',
    ),
  log_dir: z.string().min(1).optional().describe('Folder for drive logs. Left out: nothing is kept on disk.'),
  total_mib: whole(16, MAX_MIB)
    .optional()
    .describe(
      'All memory that memtide governs: domains and pool. Left out: a quarter of what is free at the start, which leaves the machine usable.',
    ),
  mode: z
    .enum(MODES)
    .default('hypervisor')
    .describe('hypervisor: reserve, then pool, then peers. split: peers only, the first design, kept for comparison.'),
  coordination: z
    .enum(['auto', 'socket', 'mqtt'])
    .default('auto')
    .describe(
      'How an agent reaches the back end. socket: in the same run directory. mqtt: over the broker, for a domain that shares no memory with it; it takes part with its budget only. auto: mqtt where the run directory has no back end and mqtt.url is given.',
    ),
  arena: arena.prefault({}).describe('Shared memory that is lent to applications that ask.'),
  domains: z
    .array(domain)
    .min(1)
    .max(64)
    .default(DEMO_DOMAINS)
    .describe(
      'The domains of this machine. The default is the demo’s pair: a small one that must never wait, and a large one that bursts.',
    ),
  pressure: pressure.prefault({}).describe('How memory pressure is watched.'),
  policy: policy.prefault({}).describe('How much moves, how fast, and from whom.'),
  fast_plane: fastPlane.prefault({}).describe('The thread that answers peers.'),
  xen: xen.prefault({}).describe('Guests of Xen, whose whole memory is moved, and what is asked of Xen’s scheduler.'),
  mqtt: mqtt.prefault({}).describe('Where telemetry goes and commands come from.'),
  spool: spool.prefault({}).describe('Telemetry kept on disk until it is delivered.'),
  metrics: metrics.prefault({}).describe('Health for Prometheus.'),
  latency: latency.prefault({}).describe('How bursts are timed against local allocations.'),
  log: log.prefault({}).describe('What is written to standard error.'),
};

/** The shape, with every range and default. The rules between keys are in cross-checks.ts. */
export const configShape = z.strictObject(sections);

type DeepReadonly<T> =
  T extends ReadonlyArray<infer Item>
    ? ReadonlyArray<DeepReadonly<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T;

/** What a user may write. */
export type ConfigInput = z.input<typeof configShape>;
/** The configuration as the program uses it: complete, checked and deep-frozen. */
export type Config = DeepReadonly<z.output<typeof configShape>>;
export type DomainConfig = Config['domains'][number];
