import fs from 'node:fs';
import path from 'node:path';
import type { PlaneScheduling } from '../../coordination/plane-constructs.ts';
import { MemtideError } from '../../errors.ts';
import { type Bytes, bytes, formatBytes, MIB } from '../../units.ts';
import { IdleAgents } from './agent-cost.ts';
import { BenchMachine } from './bench-machine.ts';
import type { BenchRun, Progress } from './bench-run.ts';
import { type MachineFacts, machineFacts } from './environment.ts';
import { measureHandshake } from './handshake.ts';
import { measureExhausted, measurePeers } from './peers.ts';
import { BENCH_SIZES, type BenchPlan, CHUNK_BYTES, planBench, type Rounds, roundsFor } from './plan.ts';
import type { BenchResult } from './result.ts';
import { measureTier1 } from './tier1.ts';
import { warningsOf } from './warnings.ts';

export interface BenchOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  /** The most memory that the bench may hold at once. */
  readonly memoryBytes: Bytes;
  /** The compiled command line, to start real agents with; without it, no agent is measured. */
  readonly mainModule?: string;
  /** What the fast planes ask for; an ordinary user is refused it. */
  readonly scheduling: PlaneScheduling;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Default: BENCH_SIZES. */
  readonly sizes?: readonly number[];
  /** Default: by size, as `quick` says. */
  readonly rounds?: (byteLength: number) => Rounds;
}

/** Shares of the time of a run at which its parts begin. */
const BEGINS = { machine: 0.03, tier1: 0.08, handshake: 0.78, peers: 0.8, peersSmall: 0.86, agent: 0.9 };
const AGENT_SECONDS = { quick: 5, full: 20 };
const HANDSHAKES = { quick: 5000, full: 50_000 };
/** With rounds of one's own: the machinery, not the figures. */
const FEW_HANDSHAKES = 200;
/** Control files, sockets and locks beside an arena on the same tmpfs. */
const FILES_BYTES = 4 * MIB;

/**
 * Runs everything in one go, cases interleaved, so that ratios hold although the machine is noisy.
 * @throws the signal's reason when it is aborted; MemtideError when the machine has not enough memory for any size.
 */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const started: Stoppable[] = [];
  try {
    return await runParts(options, (part) => {
      started.unshift(part);
      return part;
    });
  } finally {
    for (const part of started) await part.stop();
  }
}

/** May be stopped more than once, and without having been started. */
interface Stoppable {
  stop(): Promise<void>;
}

/** @param stopLater sees to it that what is started is stopped, however the run ends. */
async function runParts(
  options: BenchOptions,
  stopLater: <Part extends Stoppable>(part: Part) => Part,
): Promise<BenchResult> {
  const { quick, scratchDir, mainModule, scheduling, signal, progress, rounds } = options;
  const machineOf = (name: string, arenaBytes: number, hugePages: 'auto' | 'never'): BenchMachine =>
    stopLater(
      new BenchMachine({
        runDir: path.join(scratchDir, name),
        arenaBytes: bytes(arenaBytes),
        hugePages,
        scheduling,
      }),
    );
  const facts = machineFacts();

  // First, so that they have settled by the end. At rest they disturb nothing, and in the field they run as well.
  progress('agents, to be measured at the end', 0);
  const agents = mainModule && stopLater(new IdleAgents(mainModule, path.join(scratchDir, 'agents')));
  if (agents) await agents.start();

  const plan = makePlan(options, facts);
  const run: BenchRun = { plan, rounds: rounds ?? ((byteLength) => roundsFor(byteLength, quick)), signal, progress };
  progress(`a back end, two domains and a donor that trade ${formatBytes(plan.arenaBytes)}`, BEGINS.machine);
  const machine = machineOf('huge', plan.arenaBytes, 'auto');
  await machine.start();
  const tier1 = await measureTier1(run, machine, BEGINS.tier1, BEGINS.handshake);

  progress('handshake and bare futex ping-pong', BEGINS.handshake);
  const handshake = await measureHandshake(machine.runDir, rounds ? FEW_HANDSHAKES : HANDSHAKES[length(quick)], signal);

  const tier2 = await measurePeers(run, machine, 'tier2', plan.sizes, BEGINS.peers, BEGINS.peersSmall);
  const empty = await measureExhausted(run, machine);
  await machine.stop();
  const rows = [...tier1.rows, ...empty, ...tier2];
  if (plan.smallSizes.length > 0) {
    const small = machineOf('base', plan.smallArenaBytes, 'never');
    await small.start();
    rows.push(...(await measurePeers(run, small, 'tier2-4k', plan.smallSizes, BEGINS.peersSmall, BEGINS.agent)));
    await small.stop();
  }

  progress('an idle agent', BEGINS.agent);
  const agent = agents ? await agents.measure(AGENT_SECONDS[length(quick)], signal) : undefined;
  progress('done', 1);
  const { arena } = machine;
  return {
    platform: 'linux',
    environment: {
      ...facts,
      arena_mib: plan.arenaBytes / MIB,
      arena_huge: arena.huge,
      ...(arena.hugeReason === undefined ? {} : { arena_huge_reason: arena.hugeReason }),
      arena_locked: arena.locked,
      chunk_bytes: CHUNK_BYTES,
      cold_bytes: plan.coldBytes,
      doorbell: 'futex',
      fast_plane_nice: scheduling.nice ?? 0,
      fast_plane_policy: scheduling.policy ?? 'other',
      quick,
    },
    rows,
    tier1_minus_touch_us: tier1.gaps,
    background: tier1.background,
    handshake,
    ...(agent && { agent }),
    left_out: [...plan.leftOut],
    warnings: [...plan.warnings, ...warningsOf(rows, facts, arena)],
  };
}

const length = (quick: boolean): 'quick' | 'full' => (quick ? 'quick' : 'full');

function makePlan({ sizes = BENCH_SIZES, memoryBytes, scratchDir }: BenchOptions, facts: MachineFacts): BenchPlan {
  const { bavail, bsize } = fs.statfsSync(scratchDir);
  const plan = planBench({
    sizes,
    memoryBytes,
    lastLevelCacheBytes: facts.last_level_cache_bytes,
    tmpfsBytes: Math.max(0, Number(bavail) * Number(bsize) - FILES_BYTES),
  });
  if (plan.sizes.length > 0) return plan;
  throw new MemtideError({
    operation: 'run the bench',
    expected: 'enough memory for the smallest size',
    actual: plan.leftOut[0]?.reason ?? 'no size was asked for',
    remedy: 'end other programs',
  });
}
