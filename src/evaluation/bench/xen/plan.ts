import type { BalloonDriver } from '../../../platforms/xen/balloon-driver.ts';
import { type Bytes, bytes, MIB, roundDown } from '../../../units.ts';
import type { XenCase } from './case.ts';
import type { XenRequest } from './request.ts';
import type { XenBenchResult } from './result.ts';
import type { Times } from './rows.ts';

/** Free beside what is timed: the kernel's and this program's own. */
const HEADROOM = 28 * MIB;

export type LeftOut = XenBenchResult['left_out'][number];

export interface PlannedSize {
  readonly size: Bytes;
  readonly requests: ReadonlyArray<{ readonly request: XenRequest; readonly times: Times }>;
}

interface Planning {
  /** What the guest holds, and may hold at the most. */
  readonly boot: Bytes;
  readonly driver: BalloonDriver;
  readonly cases: readonly XenCase[];
  /** Gets what cannot be measured here, and why. */
  readonly leftOut: LeftOut[];
}

/** What is measured: of the sizes those that the guest has room for, with the cases that can be taken with them. */
export async function planSizes(sizes: readonly Bytes[], planning: Planning): Promise<PlannedSize[]> {
  const { boot, driver, cases, leftOut } = planning;
  const used = boot - driver.available();
  const plan: PlannedSize[] = [];
  for (const size of sizes) {
    /** What the guest is made to hold before it grows. */
    const small = bytes(roundDown(Math.min(boot - size, used + HEADROOM), MIB));
    if (small < used + HEADROOM - MIB) {
      const reason = `the guest was booted with ${boot / MIB} MiB, of which it needs ${Math.ceil(used / MIB)} itself`;
      leftOut.push({ bytes: size, reason });
      continue;
    }
    const requests: PlannedSize['requests'][number][] = [];
    for (const each of cases) {
      const reason = await each.fits?.(size);
      if (reason !== undefined) leftOut.push({ bytes: size, case: each.name, reason });
      else {
        const request = { each, held: each.grows ? small : bytes(small + size), by: size };
        requests.push({ request, times: { usable: [], touch: [], total: [] } });
      }
    }
    plan.push({ size, requests });
  }
  return plan;
}
