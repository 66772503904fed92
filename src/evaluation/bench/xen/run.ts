import { summarize } from '../../../latency/percentiles.ts';
import { memset } from '../../../native/libc.ts';
import { mapPrivate, unmapPrivate } from '../../../native/mapping.ts';
import type { BalloonDriver } from '../../../platforms/xen/balloon-driver.ts';
import { type Bytes, bytes, MIB, mebibytes, roundDown } from '../../../units.ts';
import type { Progress } from '../bench-run.ts';
import { machineFacts } from '../environment.ts';
import type { XenBench, XenCase } from './case.ts';
import { XEN_CASES } from './cases.ts';
import { holds, openGuest, resize } from './guest.ts';
import type { XenBenchResult, XenRow } from './result.ts';

/** Free beside what is timed: the kernel's and this program's own. */
const HEADROOM = 28 * MIB;

/** Machines that exist in an emulator only: QEMU's for arm64. */
const EMULATORS = ['linux,dummy-virt'];

export interface XenRunOptions {
  /** ADDRESS:PORT of the bench's program there. */
  readonly dom0: string;
  readonly rounds: number;
  readonly sizes: readonly Bytes[];
  /** No round begins after that many: what has been taken so far counts. */
  readonly minutes?: number;
  /** By name; all when left out. */
  readonly cases?: readonly string[];
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Times {
  readonly usable: number[];
  readonly touch: number[];
  readonly total: number[];
}

/** From a request to memory that is usable and touched, by every way a guest has, in one boot and by turns. */
export async function runXenBench(options: XenRunOptions): Promise<XenBenchResult> {
  const { progress, sizes, rounds, signal } = options;
  const { domain, driver, dom0, machine } = await openGuest(options.dom0, 'recipient');
  const bench: XenBench = {
    domain,
    driver,
    dom0,
    resize: (to) => resize(driver, to),
    holds: (wanted) => holds(driver, wanted),
  };
  const boot = driver.current();
  const cases = XEN_CASES.filter(({ name }) => options.cases?.includes(name) ?? true);
  const until = options.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.minutes * 60_000;
  const { plan, leftOut } = planSizes(sizes, boot, driver, cases);
  const steps = plan.length * rounds * cases.length;
  let step = 0;
  try {
    // Round by round, so that what the machine does meanwhile falls on all sizes and cases alike.
    for (let round = 0; round < rounds; round++) {
      for (const { size, small, times } of plan) {
        for (const each of cases) {
          if (signal.aborted) throw new Error('interrupted');
          if (performance.now() > until) break;
          progress(`${each.name}, ${size / MIB} MiB, round ${round + 1}`, step++ / steps);
          const held = each.grows ? small : bytes(small + size);
          await dom0.call('setCap', { bytes: Math.max(held, driver.current()) });
          await bench.resize(held);
          await each.before?.(bench, held, size);
          const started = performance.now();
          await each.take(bench, held, size);
          const usable = performance.now();
          touchFresh(size);
          const done = performance.now();
          await each.after?.(bench);
          const { usable: u, touch, total } = times.get(each.name)!;
          u.push((usable - started) * 1000);
          touch.push((done - usable) * 1000);
          total.push((done - started) * 1000);
        }
      }
    }
  } finally {
    await dom0.call('setCap', { bytes: boot }).catch(() => {});
    await resize(driver, boot).catch(() => {});
    await dom0.call('mirrorTarget', { bytes: boot }).catch(() => {});
    dom0.end();
  }
  const rows = plan.flatMap(({ size, times }) =>
    cases.flatMap(({ name }) => (times.get(name)!.total.length === 0 ? [] : rowOf(name, size, times.get(name)!))),
  );
  const { date, cpu, kernel, node, load_1min } = machineFacts();
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
    left_out: leftOut,
  };
}

interface PlannedSize {
  readonly size: Bytes;
  /** What the guest is made to hold before it grows. */
  readonly small: Bytes;
  /** By case. */
  readonly times: ReadonlyMap<string, Times>;
}

function planSizes(sizes: readonly Bytes[], boot: Bytes, driver: BalloonDriver, cases: readonly XenCase[]) {
  const used = boot - driver.available();
  const plan: PlannedSize[] = [];
  const leftOut: XenBenchResult['left_out'][number][] = [];
  for (const size of sizes) {
    const small = bytes(roundDown(Math.min(boot - size, used + HEADROOM), MIB));
    const reason = `the guest was booted with ${boot / MIB} MiB, of which it needs ${Math.ceil(used / MIB)} itself`;
    if (small < used + HEADROOM - MIB) leftOut.push({ bytes: size, reason });
    else
      plan.push({ size, small, times: new Map(cases.map(({ name }) => [name, { usable: [], touch: [], total: [] }])) });
  }
  return { plan, leftOut };
}

/** Fresh pages of a program: what it costs to use memory once it is there. */
function touchFresh(size: Bytes): void {
  const mapping = mapPrivate(size, { what: 'memory that the bench touches' });
  memset(mapping.address, 1, size);
  unmapPrivate(mapping);
}

function rowOf(name: string, size: Bytes, { usable, touch, total }: Times): XenRow {
  const all = summarize(total)!;
  return {
    case: name,
    bytes: size,
    n: all.n,
    p50_us: all.p50,
    min_us: Math.min(...total),
    max_us: all.max,
    usable_p50_us: summarize(usable)!.p50,
    touch_p50_us: summarize(touch)!.p50,
  };
}

/** Of the p50 of tier 1, which is what the others are held against. */
function ratiosOf(rows: readonly XenRow[]): XenBenchResult['ratios'] {
  return rows
    .filter((row) => row.case !== 'xen-pool')
    .flatMap((row) => {
      const pool = rows.find((each) => each.case === 'xen-pool' && each.bytes === row.bytes);
      return pool ? [{ bytes: row.bytes, against: row.case, xen_pool_p50_ratio: pool.p50_us / row.p50_us }] : [];
    });
}

export const DEFAULT_SIZES: readonly Bytes[] = [2, 8, 32, 128].map(mebibytes);
