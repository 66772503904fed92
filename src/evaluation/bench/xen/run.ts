import { RunFiles } from '../../../coordination/run-files.ts';
import { errorMessage } from '../../../errors.ts';
import { summarize } from '../../../latency/percentiles.ts';
import { type Bytes, MIB, mebibytes } from '../../../units.ts';
import type { Progress } from '../bench-run.ts';
import { machineFacts } from '../environment.ts';
import type { XenBench, XenCase } from './case.ts';
import { XEN_CASES } from './cases.ts';
import { holds, openGuest, resize } from './guest.ts';
import { openPipeRoundTrip } from './pipe-round-trip.ts';
import { type LeftOut, planSizes } from './plan.ts';
import { atRequest, serve, type XenRequest } from './request.ts';
import { countRequests, type XenCounts } from './request-counts.ts';
import type { XenBenchResult } from './result.ts';
import { leasesOf, ratiosOf, rowOf } from './rows.ts';

/** After each round, so that what the machine does meanwhile falls on them, too. */
const PIPE_ROUND_TRIPS = 20;

/** Of each case and size. They hardly vary. */
const COUNTED_ROUNDS = 3;

/** Machines that exist in an emulator only: QEMU's for arm64. */
const EMULATORS = ['linux,dummy-virt'];

export interface XenRunOptions {
  /** ADDRESS:PORT of the bench's program there. */
  readonly dom0: string;
  /** Where the agent of this guest would be. */
  readonly runDir: string;
  readonly rounds: number;
  readonly sizes: readonly Bytes[];
  /** After so many it ends, and reports the rounds that it had time for. */
  readonly minutes?: number;
  /** By name; all when left out. */
  readonly cases?: readonly string[];
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** From a request to memory that is usable and touched, by every way a guest has, in one boot and by turns. */
export async function runXenBench(options: XenRunOptions): Promise<XenBenchResult> {
  const { progress, sizes, rounds, signal } = options;
  const { domain, driver, dom0, machine } = await openGuest(options.dom0, 'recipient');
  const bench: XenBench = {
    domain,
    agentSocket: new RunFiles(options.runDir).domain(domain).socket,
    driver,
    dom0,
    resize: (to) => resize(driver, to),
    holds: (wanted) => holds(driver, wanted),
  };
  const boot = driver.current();
  const until = options.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.minutes * 60_000;
  const pipe = openPipeRoundTrip();
  const pipeMicros: number[] = [];
  const opened: XenCase[] = [];
  const leftOut: LeftOut[] = [];
  let counts: readonly XenCounts[] = [];
  let plan: Awaited<ReturnType<typeof planSizes>> = [];
  try {
    for (const each of XEN_CASES.filter(({ name }) => options.cases?.includes(name) ?? true)) {
      const reason = await each.open?.(bench);
      if (reason === undefined) opened.push(each);
      else leftOut.push({ case: each.name, reason });
    }
    plan = await planSizes(sizes, { boot, driver, cases: opened, leftOut });
    const steps = plan.reduce((all, { requests }) => all + requests.length, 0) * rounds;
    let step = 0;
    // Round by round, so that what the machine does meanwhile falls on all sizes and cases alike.
    for (let round = 0; round < rounds; round++) {
      for (const { size, requests } of plan) {
        for (const { request, times } of requests) {
          if (signal.aborted) throw new Error('interrupted');
          if (performance.now() > until) break;
          progress(`${request.each.name}, ${size / MIB} MiB, round ${round + 1}`, step++ / steps);
          const { usable, touch } = await atRequest(bench, request, () => serve(bench, request));
          times.usable.push(usable);
          times.touch.push(touch);
          times.total.push(usable + touch);
        }
      }
      pipeMicros.push(...pipe.take(PIPE_ROUND_TRIPS));
    }
    const all = plan.flatMap(({ requests }) => requests.map(({ request }) => request));
    const goOn = ({ each, by }: XenRequest): boolean => {
      if (signal.aborted) throw new Error('interrupted');
      progress(`${each.name}, ${by / MIB} MiB, counted`, 1);
      return performance.now() < until;
    };
    try {
      counts = await countRequests(bench, all, Math.min(rounds, COUNTED_ROUNDS), goOn);
      if (counts.length < all.length) leftOut.push({ case: 'counts', reason: 'of the last ones: no time was left' });
    } catch (error) {
      // Whatever it is: what was timed is not lost for it.
      leftOut.push({ case: 'counts', reason: errorMessage(error).replaceAll(/\s*\n\s*/g, '; ') });
    }
  } finally {
    pipe.close();
    for (const each of opened) await each.close?.();
    await dom0.call('setCap', { bytes: boot }).catch(() => {});
    await resize(driver, boot).catch(() => {});
    await dom0.call('mirrorTarget', { bytes: boot }).catch(() => {});
    dom0.end();
  }
  const rows = plan.flatMap(({ size, requests }) =>
    requests.flatMap(({ request, times }) => (times.total.length === 0 ? [] : rowOf(request.each.name, size, times))),
  );
  const { date, cpu, kernel, node, load_1min } = machineFacts();
  const pipeP50 = summarize(pipeMicros)?.p50 ?? 0;
  return {
    platform: 'xen',
    environment: {
      date,
      machine,
      emulated: EMULATORS.includes(machine),
      cpu,
      kernel,
      node,
      load_1min,
      guest_mib: boot / MIB,
      rounds,
    },
    rows,
    ratios: ratiosOf(rows),
    counts,
    pipe_round_trip: { n: pipeMicros.length, p50_us: pipeP50 },
    leases: leasesOf(rows, pipeP50),
    left_out: leftOut,
  };
}

export const DEFAULT_SIZES: readonly Bytes[] = [2, 8, 32, 128].map(mebibytes);
