import { percentile } from '../../latency/percentiles.ts';
import { formatBytes, KIB, MIB, roundDown } from '../../units.ts';
import { type Tier1Setting, tier1, tier1Api, tier1Claim, tier1Socket } from './arena-cases.ts';
import type { BenchMachine } from './bench-machine.ts';
import type { BenchRun } from './bench-run.ts';
import { localFresh, localHuge, localPopulate, localWarm, localWarmCold } from './local-cases.ts';
import { addSamples, measure, pairedGaps, rowsOf } from './measure.ts';
import { CHUNK_BYTES } from './plan.ts';
import { localPool, PrivateRegion, touchOnly, type ZeroElsewhere } from './resident-cases.ts';
import type { Background, BenchRow, PairedGap } from './result.ts';
import { SocketClient } from './socket-client.ts';
import { ZeroThread } from './zero-thread.ts';

/** Tiers 0 and 1 beside every local way, and what they cost in the background. */
export interface Tier1Findings {
  readonly rows: readonly BenchRow[];
  readonly gaps: PairedGap[];
  readonly background: Background;
}

const REWARM_ROUNDS = 5;

/** @param from @param to shares of the time of the whole run, for the progress. */
export async function measureTier1(
  run: BenchRun,
  machine: BenchMachine,
  from: number,
  to: number,
): Promise<Tier1Findings> {
  const { plan, signal } = run;
  const zeroer = new ZeroThread();
  zeroer.start();
  const { huge } = machine.arena;
  const region = new PrivateRegion(plan.regionBytes, huge);
  const evictor = new PrivateRegion(plan.evictBytes, huge);
  const client = new SocketClient(machine.recipientSocket);
  try {
    await machine.setReserve(machine.chunkCount);
    const idleWarmMib = machine.app.claimableBytes / MIB;
    await warmUp(machine, client);
    const tally = { requests: 0, hits: 0, releasedBytes: 0 };
    const setting: Tier1Setting = { machine, tally, coldBytes: plan.coldBytes, evict: () => evictor.writeAll() };
    // Where the scrubber does it. Between CPUs a MiB that was just written takes 40 µs to write, on one CPU 12.
    const zero: ZeroElsewhere = (address, length) => zeroer.zero(address, length, machine.scrubberCpu());
    // Neighbours are what is compared: the machine drifts within a round as well.
    const resident = (['hot', 'cold'] as const).flatMap((cache) => [
      touchOnly(region, cache, zero),
      tier1(setting, cache),
      localPool(region, cache, zero),
    ]);
    const cases = [
      localFresh,
      localPopulate,
      localHuge,
      localWarm,
      localWarmCold(plan.coldBytes),
      ...resident,
      tier1Claim(setting),
      tier1Api(setting),
      tier1Socket(setting, client),
    ];
    const rows: BenchRow[] = [];
    const gaps: PairedGap[] = [];
    const bySize: { bytes: number; cpu_us_per_mib: number }[] = [];
    const scrubBefore = await machine.recipientFigures();
    const cpuBefore = machine.backgroundCpuMicros();
    for (const [step, size] of plan.sizes.entries()) {
      run.progress(`local ways and tier 1, ${formatBytes(size)}`, from + ((to - from) * step) / plan.sizes.length);
      const { all, residentMore } = run.rounds(size);
      const releasedBefore = tally.releasedBytes;
      const sizeCpuBefore = machine.backgroundCpuMicros();
      const samples = await measure(cases, size, all, signal);
      addSamples(samples, await measure(resident, size, residentMore, signal));
      rows.push(...rowsOf(samples, size));
      gaps.push(...pairedGaps(samples, size));
      bySize.push({
        bytes: size,
        cpu_us_per_mib:
          (machine.backgroundCpuMicros() - sizeCpuBefore) / ((tally.releasedBytes - releasedBefore) / MIB),
      });
    }
    const cpuMicros = machine.backgroundCpuMicros() - cpuBefore;
    const scrubAfter = await machine.recipientFigures();
    return {
      rows,
      gaps,
      background: {
        cpu_us_per_mib: cpuMicros / (tally.releasedBytes / MIB),
        by_size: bySize,
        scrub_us_per_mib:
          (scrubAfter.scrubCpuMicros - scrubBefore.scrubCpuMicros) /
          ((scrubAfter.scrubbedBytes - scrubBefore.scrubbedBytes) / MIB),
        populate_us_per_mib: machine.arena.populateMicros / (machine.arena.byteLength / MIB),
        connect_us: machine.connectMicros,
        map_us_per_mib: machine.connectCpuMicros / (machine.arena.byteLength / MIB),
        idle_warm_mib: idleWarmMib,
        hit_rate: tally.hits / tally.requests,
        rewarm_mib_per_s: await measureRewarm(machine),
      },
    };
  } finally {
    client.close();
    region.close();
    evictor.close();
    await zeroer.stop();
  }
}

/** Lets V8 compile what is measured: an application that borrows often runs compiled code. */
async function warmUp(machine: BenchMachine, client: SocketClient): Promise<void> {
  const all = machine.app.claimableBytes;
  const sizes = [64 * KIB, CHUNK_BYTES, 4 * CHUNK_BYTES, 8 * CHUNK_BYTES].filter((size) => size <= all / 2);
  for (let round = 0; round < 300; round++) {
    const leases = [];
    for (const size of sizes) {
      leases.push(await machine.app.borrow(size));
      leases.at(-1)!.view[0] = 1;
    }
    for (const lease of leases) lease.release();
    await machine.untilClaimable(all);
    const overSocket = client.borrow(sizes[round % sizes.length]!);
    if (overSocket) client.release(overSocket);
    await machine.untilClaimable(all);
  }
}

/** How fast released memory becomes claimable again, the domain being otherwise idle. */
async function measureRewarm(machine: BenchMachine): Promise<number> {
  const all = machine.app.claimableBytes;
  const size = Math.max(CHUNK_BYTES, roundDown(all / 2, CHUNK_BYTES));
  const rates: number[] = [];
  for (let round = 0; round < REWARM_ROUNDS; round++) {
    const lease = await machine.app.borrow(size);
    lease.fill(1);
    const before = performance.now();
    lease.release();
    await machine.untilClaimable(all);
    rates.push(size / MIB / ((performance.now() - before) / 1000));
  }
  return percentile(rates, 0.5)!;
}
