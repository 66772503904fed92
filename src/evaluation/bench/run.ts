import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Summary, summarize } from '../../latency/percentiles.ts';
import { type Bytes, bytes, KIB, MIB, roundDown } from '../../units.ts';
import { type AgentCost, measureAgentCost, startAgents } from './agent-cost.ts';
import { type HitCount, tier1, tier1Api, tier1Claim, tier1Empty, tier2 } from './arena-cases.ts';
import { BenchMachine, CHUNK_BYTES } from './bench-machine.ts';
import { type BenchEnvironment, benchEnvironment } from './environment.ts';
import { type HandshakeResult, measureHandshake } from './handshake.ts';
import {
  localFresh,
  localHuge,
  localPool,
  localPopulate,
  localWarm,
  PrivateRegion,
  type TimedCase,
  touchOnly,
  type ZeroElsewhere,
} from './local-cases.ts';

export const BENCH_SIZES = [64 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB] as const;

export interface BenchOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  /** Most memory that the bench may hold at once. */
  readonly memoryBytes: Bytes;
  /** The compiled command line, to start real agents with; without it, no agent is measured. */
  readonly mainModule?: string;
  readonly nice: number | undefined;
  readonly signal: AbortSignal;
  readonly progress: (step: string, share: number) => void;
}

export interface BenchRow {
  readonly case: string;
  readonly cache?: 'hot' | 'cold';
  readonly bytes: number;
  readonly n: number;
  readonly p50_us: number;
  readonly p99_us?: number;
  readonly max_us: number;
}

export interface BenchResult {
  readonly platform: 'linux';
  readonly environment: BenchEnvironment & Record<string, unknown>;
  readonly rows: readonly BenchRow[];
  readonly background: {
    readonly cpu_us_per_mib: number;
    readonly populate_us_per_mib: number;
    readonly connect_us: number;
    readonly idle_warm_mib: number;
    readonly hit_rate: number;
    readonly rewarm_mib_per_s: number;
  };
  readonly handshake: HandshakeResult;
  readonly agent?: AgentCost;
  /** Differences within one round, which hold where two medians of noisy rows would not. */
  readonly tier1_minus_touch_us: readonly PairedGap[];
}

export interface PairedGap {
  readonly cache: 'hot' | 'cold';
  readonly bytes: number;
  readonly n: number;
  readonly p50_us: number;
}

/** Rounds for each size: many where a round is short, so that p99 has something to stand on. */
function roundsFor(byteLength: number, quick: boolean): number {
  const full =
    byteLength <= MIB
      ? 1000
      : byteLength <= 4 * MIB
        ? 1000
        : byteLength <= 16 * MIB
          ? 200
          : byteLength <= 64 * MIB
            ? 60
            : 20;
  const short =
    byteLength <= MIB
      ? 200
      : byteLength <= 4 * MIB
        ? 100
        : byteLength <= 16 * MIB
          ? 40
          : byteLength <= 64 * MIB
            ? 15
            : 7;
  return quick ? short : full;
}

/** Runs everything in one go, cases interleaved, so that ratios hold although the machine is noisy. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const environment = benchEnvironment();
  const rows: BenchRow[] = [];
  const gaps: PairedGap[] = [];
  const hits: HitCount = { hits: 0, requests: 0 };
  const arenaBytes = bytes(roundDown(Math.min(options.memoryBytes / 2, 512 * MIB), CHUNK_BYTES));
  const machine = new BenchMachine({
    runDir: path.join(options.scratchDir, 'huge'),
    arenaBytes,
    hugePages: 'auto',
    ...(options.nice === undefined ? {} : { nice: options.nice }),
  });
  const zeroer = new ZeroThread();
  try {
    options.progress('starting back end, two domains and a donor', 0);
    await machine.start();
    const region = new PrivateRegion(
      Math.max(4 * environment.last_level_cache_bytes, 256 * MIB, arenaBytes / 2),
      machine.arena.huge,
    );
    const zero: ZeroElsewhere = (address, length) => zeroer.zero(address, length);
    const tier1Cases = [
      tier1(machine, 'hot', hits),
      tier1(machine, 'cold', hits),
      tier1Claim(machine),
      tier1Api(machine),
    ];
    const localCases = [
      localFresh,
      localPopulate,
      localHuge,
      localWarm,
      localPool(region, 'hot', zero),
      localPool(region, 'cold', zero),
      touchOnly(region, 'hot', zero),
      touchOnly(region, 'cold', zero),
    ];
    await machine.setReserve(machine.chunkCount);
    const idleWarmMib = machine.app.claimableBytes / MIB;
    await warmUp(machine);
    const before = await machine.recipientFigures();
    for (const [step, size] of BENCH_SIZES.entries()) {
      options.progress(`local and tier 1, ${size / MIB} MiB`, (step + 0.2) / 8);
      const cases = [...localCases, ...tier1Cases];
      const measured = await measure(cases, size, roundsFor(size, options.quick), options.signal);
      rows.push(...measured.rows);
      gaps.push(...pairedGaps(measured, size));
    }
    const after = await machine.recipientFigures();
    const rewarm = await measureRewarm(machine);
    options.progress('handshake', 6 / 8);
    const handshake = await measureHandshake(machine.runDir, options.quick ? 5000 : 50_000);
    options.progress('tier 2', 6.3 / 8);
    rows.push(...(await measureTier2(machine, 'tier2', options)));
    await machine.stop();

    const small = new BenchMachine({
      runDir: path.join(options.scratchDir, '4k'),
      arenaBytes: bytes(Math.min(arenaBytes, 256 * MIB)),
      hugePages: 'never',
      ...(options.nice === undefined ? {} : { nice: options.nice }),
    });
    try {
      options.progress('tier 2, 4 KiB pages', 6.8 / 8);
      await small.start();
      rows.push(...(await measureTier2(small, 'tier2-4k', options)));
    } finally {
      await small.stop();
    }
    options.progress('an idle agent', 7.2 / 8);
    const agent = options.mainModule === undefined ? undefined : await measureAgent(options, options.mainModule);
    options.progress('done', 1);
    const scrubbedMib = (after.scrubbedBytes - before.scrubbedBytes) / MIB;
    return {
      platform: 'linux',
      environment: {
        ...environment,
        arena_mib: arenaBytes / MIB,
        arena_huge: machine.arena.huge,
        ...(machine.arena.hugeReason === undefined ? {} : { arena_huge_reason: machine.arena.hugeReason }),
        arena_locked: machine.arena.locked,
        chunk_bytes: CHUNK_BYTES,
        doorbell: 'futex',
        fast_plane_nice: options.nice ?? 0,
        quick: options.quick,
      },
      rows,
      background: {
        cpu_us_per_mib: (after.scrubCpuMicros - before.scrubCpuMicros) / scrubbedMib,
        populate_us_per_mib: machine.arena.populateMicros / (machine.arena.byteLength / MIB),
        connect_us: machine.connectMicros,
        idle_warm_mib: idleWarmMib,
        hit_rate: hits.hits / hits.requests,
        rewarm_mib_per_s: rewarm,
      },
      handshake,
      ...(agent === undefined ? {} : { agent }),
      tier1_minus_touch_us: gaps,
    };
  } finally {
    await zeroer.stop();
    await machine.stop();
  }
}

/** Lets V8 compile what is measured: an application that borrows often runs compiled code. */
async function warmUp(machine: BenchMachine): Promise<void> {
  const all = machine.app.claimableBytes;
  for (let round = 0; round < 300; round++) {
    const leases = [];
    for (const size of [64 * KIB, CHUNK_BYTES, 4 * CHUNK_BYTES, 8 * CHUNK_BYTES]) {
      leases.push(await machine.app.borrow(size));
      leases.at(-1)!.view[0] = 1;
    }
    for (const lease of leases) lease.release();
    await machine.untilClaimable(all);
  }
}

/** Each round runs every case once, starting with another one each time. */
async function measure(
  cases: readonly TimedCase[],
  size: number,
  rounds: number,
  signal: AbortSignal,
): Promise<Measured> {
  const fitting = cases.filter((one) => one.fits(size));
  const samples = fitting.map(() => [] as number[]);
  for (let round = -2; round < rounds; round++) {
    for (let turn = 0; turn < fitting.length; turn++) {
      signal.throwIfAborted();
      const at = (turn + round + 2) % fitting.length;
      const one = fitting[at]!;
      await one.prepare?.(size);
      const taken = one.sample(size);
      const micros = typeof taken === 'number' ? taken : await taken;
      await one.finish?.(size);
      if (round >= 0) samples[at]!.push(micros);
    }
  }
  const rows = fitting.flatMap((one, at) => {
    const summary = summarize(samples[at]!.filter((micros) => !Number.isNaN(micros)));
    return summary ? [row(one, size, summary)] : [];
  });
  return { cases: fitting, samples, rows };
}

/** Samples by case and round; a round that failed is NaN. */
interface Measured {
  readonly cases: readonly TimedCase[];
  readonly samples: readonly number[][];
  readonly rows: readonly BenchRow[];
}

/** Tier 1 less the bare touch, round by round. */
function pairedGaps({ cases, samples }: Measured, size: number): PairedGap[] {
  return (['hot', 'cold'] as const).flatMap((cache) => {
    const of = (name: string): readonly number[] | undefined =>
      samples[cases.findIndex((one) => one.name === name && one.cache === cache)];
    const tier = of('tier1');
    const touch = of('touch-only');
    const summary = summarize(
      (tier ?? []).map((micros, round) => micros - touch![round]!).filter((gap) => !Number.isNaN(gap)),
    );
    return summary ? [{ cache, bytes: size, n: summary.n, p50_us: summary.p50 }] : [];
  });
}

function row(one: TimedCase, size: number, { n, p50, p99, max }: Summary): BenchRow {
  return {
    case: one.name,
    ...(one.cache === undefined ? {} : { cache: one.cache }),
    bytes: size,
    n,
    p50_us: p50,
    ...(p99 === undefined ? {} : { p99_us: p99 }),
    max_us: max,
  };
}

/** Tier 2 beside the local cases that it is compared with, and the refusal of an empty pool. */
async function measureTier2(
  machine: BenchMachine,
  name: 'tier2' | 'tier2-4k',
  options: BenchOptions,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  await machine.setReserve(0);
  for (const size of BENCH_SIZES) {
    if (size > machine.chunkCount * CHUNK_BYTES) continue;
    await machine.drainDonor();
    const rounds = Math.min(roundsFor(size, options.quick), 300);
    rows.push(...(await measure([tier2(machine, name)], size, rounds, options.signal)).rows);
  }
  if (name === 'tier2-4k') return rows;
  // Nobody has anything to give: this process holds the whole arena itself, in leases that nobody can call back.
  await machine.drainDonor();
  const all = [];
  for (let chunk = 0; chunk < machine.chunkCount; chunk++)
    all.push(machine.app.borrowSync(CHUNK_BYTES, { deadline: 100 }));
  for (const size of BENCH_SIZES) {
    rows.push(
      ...(await measure([tier1Empty(machine)], size, Math.min(200, roundsFor(size, options.quick)), options.signal))
        .rows,
    );
  }
  for (const lease of all) lease.release();
  return rows;
}

/** How fast released memory becomes claimable again, the domain being otherwise idle. */
async function measureRewarm(machine: BenchMachine): Promise<number> {
  const size = roundDown(machine.app.claimableBytes / 2, CHUNK_BYTES);
  const all = machine.app.claimableBytes;
  const lease = await machine.app.borrow(size);
  lease.fill(1);
  const before = performance.now();
  lease.release();
  await machine.untilClaimable(all);
  return size / MIB / ((performance.now() - before) / 1000);
}

async function measureAgent({ scratchDir, quick }: BenchOptions, mainModule: string): Promise<AgentCost> {
  const agents = await startAgents(mainModule, path.join(scratchDir, 'agents'));
  try {
    return await measureAgentCost(agents.domainPid, quick ? 5 : 20, 10);
  } finally {
    await agents.stop();
  }
}

class ZeroThread {
  readonly #worker: Worker;

  constructor() {
    const here = fileURLToPath(import.meta.url);
    this.#worker = new Worker(path.join(path.dirname(here), `zero-worker${path.extname(here)}`));
  }

  zero(address: number, length: number): Promise<void> {
    return new Promise((resolve) => {
      this.#worker.once('message', () => resolve());
      this.#worker.postMessage({ address, length });
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
