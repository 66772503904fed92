import fs from 'node:fs';
import path from 'node:path';
import { MemtideError } from '../../errors.ts';
import { type Bytes, bytes, formatBytes, MIB } from '../../units.ts';
import { IdleAgents } from './agent-cost.ts';
import { BenchMachine } from './bench-machine.ts';
import type { BenchRun, Progress } from './bench-run.ts';
import { type MachineFacts, machineFacts } from './environment.ts';
import { measureHandshake } from './handshake.ts';
import { measureExhausted, measurePeers } from './peers.ts';
import { BENCH_SIZES, type BenchPlan, CHUNK_BYTES, planBench, type Rounds, roundsFor } from './plan.ts';
import type { AgentCost, BenchResult, BenchRow } from './result.ts';
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
  readonly nice: number;
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

/**
 * Runs everything in one go, cases interleaved, so that ratios hold although the machine is noisy.
 * @throws the signal's reason when it is aborted; MemtideError when the machine has not enough memory for any size.
 */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { quick, scratchDir, memoryBytes, mainModule, nice, signal, progress } = options;
  const facts = machineFacts();
  const plan = makePlan(options, facts);
  const run: BenchRun = {
    plan,
    rounds: options.rounds ?? ((byteLength) => roundsFor(byteLength, quick)),
    signal,
    progress,
  };
  const machineOf = (name: string, arenaBytes: number, hugePages: 'auto' | 'never'): BenchMachine =>
    new BenchMachine({ runDir: path.join(scratchDir, name), arenaBytes: bytes(arenaBytes), hugePages, nice });

  const rows: BenchRow[] = [];
  const agents = mainModule === undefined ? undefined : new IdleAgents(mainModule, path.join(scratchDir, 'agents'));
  const machine = machineOf('huge', plan.arenaBytes, 'auto');
  const small = machineOf('base', plan.smallArenaBytes, 'never');
  try {
    // First, so that they have settled by the end. At rest they disturb nothing, and in the field they run as well.
    progress('agents, to be measured at the end', 0);
    await agents?.start();
    progress(`a back end, two domains and a donor that trade ${formatBytes(plan.arenaBytes)}`, BEGINS.machine);
    await machine.start();
    const tier1 = await measureTier1(run, machine, BEGINS.tier1, BEGINS.handshake);
    rows.push(...tier1.rows);
    progress('handshake and bare futex ping-pong', BEGINS.handshake);
    const shakes = options.rounds === undefined ? HANDSHAKES[quick ? 'quick' : 'full'] : 200;
    const handshake = await measureHandshake(machine.runDir, shakes, signal);
    rows.push(...(await measurePeers(run, machine, 'tier2', plan.sizes, BEGINS.peers, BEGINS.peersSmall)));
    rows.push(...(await measureExhausted(run, machine)));
    await machine.stop();
    if (plan.smallSizes.length > 0) {
      await small.start();
      rows.push(...(await measurePeers(run, small, 'tier2-4k', plan.smallSizes, BEGINS.peersSmall, BEGINS.agent)));
      await small.stop();
    }
    let agent: AgentCost | undefined;
    if (agents) {
      progress('an idle agent', BEGINS.agent);
      agent = await agents.measure(AGENT_SECONDS[quick ? 'quick' : 'full'], signal);
    }
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
        fast_plane_nice: nice,
        quick,
      },
      rows,
      tier1_minus_touch_us: tier1.gaps,
      background: tier1.background,
      handshake,
      ...(agent === undefined ? {} : { agent }),
      left_out: [...plan.leftOut],
      warnings: [...plan.warnings, ...warningsOf(rows, facts, arena)],
    };
  } finally {
    await agents?.stop();
    await small.stop();
    await machine.stop();
  }

  function makePlan({ sizes = BENCH_SIZES }: BenchOptions, { last_level_cache_bytes }: MachineFacts): BenchPlan {
    const { bavail, bsize } = fs.statfsSync(scratchDir);
    const planned = planBench({
      sizes,
      memoryBytes,
      lastLevelCacheBytes: last_level_cache_bytes,
      tmpfsBytes: Number(bavail) * Number(bsize),
    });
    if (planned.sizes.length > 0) return planned;
    throw new MemtideError({
      operation: 'run the bench',
      expected: 'enough memory for the smallest size',
      actual: planned.leftOut[0]?.reason ?? 'no size was asked for',
      remedy: 'end other programs',
    });
  }
}
