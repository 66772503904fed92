import type { ConfigInput } from '../config/schema.ts';
import { EXIT, MemtideError } from '../errors.ts';
import type { Mode } from '../records.ts';
import { type Bytes, bytes, formatBytes, MIB, mebibytes, roundDown } from '../units.ts';

/**
 * How large the demonstration is on this machine: what it governs, how that is divided, and how much the two domains
 * want. Pure. Together they want more than there is at their peaks; a static split would have to refuse one of them.
 */
export const CLUSTER = 'cluster';
export const INFOTAINMENT = 'infotainment';

export interface DemoSize {
  /** Governed by memtide: private budgets and the arena. */
  readonly totalBytes: Bytes;
  /** What can be lent. */
  readonly arenaBytes: Bytes;
  /** What the recording is scaled to, at its peak. */
  readonly infotainmentPeakBytes: Bytes;
  /** What the cluster's cache holds when nobody else wants it. */
  readonly cacheBytes: Bytes;
  /** The cluster's own requests, in turn. */
  readonly clusterBurstBytes: readonly Bytes[];
  /** Largest single request of the replay. */
  readonly largestBytes: Bytes;
  /** Both peaks together, over `arenaBytes`: above 1. */
  readonly peakDemand: number;
  /** On a small machine the programs do not fit into the quarter with the rest. */
  readonly overQuarter: boolean;
}

/** The machine stays usable: what is free is partly its page cache, and others want it too. */
const FREE_SHARE = 1 / 4;
/** Beyond this more memory shows nothing new, and takes seconds to make resident. */
const LARGEST_TOTAL = 768 * MIB;
const SMALLEST_TOTAL = 96 * MIB;
/** The six processes themselves: 206 MiB were measured on x64 with Node 20 (PSS without lent memory), and some slack. */
const PROCESSES_BYTES = 240 * MIB;
/** Below this much free memory there would be nothing left to work with. */
const SMALLEST_FREE = 512 * MIB;
/** Together 1.3 of the arena; the larger one alone fits, with the reserves of both. */
const INFOTAINMENT_SHARE = 0.85;
const CACHE_SHARE = 0.44;
/** A chunk of the arena. */
const CHUNK = 2 * MIB;
const LARGEST_CLUSTER_BURST = 4 * MIB;

/** @param free what programs could have now. @throws MemtideError when that is too little for a demonstration. */
export function sizeDemo(free: Bytes): DemoSize {
  if (free < SMALLEST_FREE) {
    throw new MemtideError({
      operation: 'start the demonstration',
      expected: `at least ${formatBytes(SMALLEST_FREE)} of free memory`,
      actual: `${formatBytes(free)} are free`,
      remedy: 'end other programs, or start the agents with a configuration of your own: memtide agent --help',
      exitCode: EXIT.unavailable,
    });
  }
  const quarter = free * FREE_SHARE;
  const fitting = roundDown(quarter - PROCESSES_BYTES, CHUNK);
  const totalBytes = Math.min(LARGEST_TOTAL, Math.max(SMALLEST_TOTAL, fitting));
  const largestBytes = powerOfTwoUpTo(totalBytes / 16);
  const arenaBytes = roundDown(totalBytes - budgetBytes(largestBytes) - budgetBytes(LARGEST_CLUSTER_BURST), CHUNK);
  const infotainmentPeakBytes = roundDown(arenaBytes * INFOTAINMENT_SHARE, MIB);
  const cacheBytes = roundDown(arenaBytes * CACHE_SHARE, CHUNK);
  const wanted = infotainmentPeakBytes + cacheBytes + LARGEST_CLUSTER_BURST;
  return {
    totalBytes: bytes(totalBytes),
    arenaBytes: bytes(arenaBytes),
    infotainmentPeakBytes: bytes(infotainmentPeakBytes),
    cacheBytes: bytes(cacheBytes),
    clusterBurstBytes: [1, 2, 1, 4].map(mebibytes),
    largestBytes: bytes(largestBytes),
    peakDemand: wanted / arenaBytes,
    overQuarter: fitting < SMALLEST_TOTAL,
  };
}

/** The configuration that all agents of the demonstration run with; a user may start the same with `memtide agent`. */
export function demoConfig(
  size: DemoSize,
  { mode, runDir, logDir }: { readonly mode: Mode; readonly runDir: string; readonly logDir: string },
): ConfigInput {
  const total_mib = size.totalBytes / MIB;
  // Floor and budget are the same: what is private is for the local allocations that bursts are compared with.
  const domain = (name: string, largestBurst: number) => {
    const budget_mib = budgetBytes(largestBurst) / MIB;
    return { name, floor_mib: budget_mib, ceiling_mib: total_mib, budget_mib };
  };
  return {
    run_dir: runDir,
    log_dir: logDir,
    total_mib,
    mode,
    domains: [domain(CLUSTER, LARGEST_CLUSTER_BURST), domain(INFOTAINMENT, size.largestBytes)],
    mqtt: { embedded: { port: 0 } },
    // Thirty seconds are short: each size is to have its local allocation soon.
    latency: { probe_min_gap_s: 1 },
  };
}

/** A local allocation as large as the largest burst is timed within the budget, and only with twice its size free. */
const budgetBytes = (largestBurst: number): number => 2 * largestBurst;

function powerOfTwoUpTo(value: number): number {
  return 2 ** Math.floor(Math.log2(value));
}
