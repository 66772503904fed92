import type { XenCase } from './case.ts';
import { localFresh } from './cases/local-fresh.ts';
import { qmemmanLike } from './cases/qmemman-like.ts';
import { touchOnly } from './cases/touch-only.ts';
import { xenLease } from './cases/xen-lease.ts';
import { xenPool } from './cases/xen-pool.ts';
import { xenSplit } from './cases/xen-split.ts';
import { xenstoreTarget } from './cases/xenstore-target.ts';
import { xlMemSet } from './cases/xl-mem-set.ts';

/** In the order of the report. Taken round by round, so that what the machine does meanwhile falls on all alike. */
export const XEN_CASES: readonly XenCase[] = [
  localFresh,
  touchOnly,
  xenLease,
  xenPool,
  xenSplit,
  xenstoreTarget,
  xlMemSet,
  qmemmanLike,
];
