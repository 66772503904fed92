import { type Bytes, formatMicros, MIB, mebibytes } from '../../../units.ts';
import type { XenBenchResult } from './result.ts';

/** Rivals, and the most that `xen-pool` may take of what they take, at p50: half where the way counts, no more than they where the touch does. */
const RIVALS = ['xl-mem-set', 'qmemman-like'];
const HALF_UP_TO: Bytes = mebibytes(8);

export interface BoundVerdict {
  readonly bytes: number;
  readonly against: string;
  readonly ratio: number;
  readonly atMost: number;
  readonly holds: boolean;
}

/** What is promised of growth within the entitlement, held against a run. A case or a size that was left out has no verdict. */
export function verdictsOf({ ratios }: Pick<XenBenchResult, 'ratios'>): BoundVerdict[] {
  return ratios
    .filter(({ against }) => RIVALS.includes(against))
    .map(({ bytes, against, xen_pool_p50_ratio: ratio }) => {
      const atMost = bytes <= HALF_UP_TO ? 0.5 : 1;
      return { bytes, against, ratio, atMost, holds: ratio <= atMost };
    });
}

/** A lease may cost so many round trips of a local pipe more than the touch of memory that the program has had all along. */
const LEASE_PIPE_ROUND_TRIPS = 2;

export const leaseVerdictText = (
  { bytes, gap_us, pipe_round_trips: trips }: XenBenchResult['leases'][number],
  pipeMicros: number,
): string =>
  `xen-lease − touch-only at ${bytes / MIB} MiB: ${formatMicros(gap_us)}, ${trips.toFixed(2)} round trips of a local pipe (${formatMicros(pipeMicros)}), at most ${LEASE_PIPE_ROUND_TRIPS}${trips <= LEASE_PIPE_ROUND_TRIPS ? '' : ': MISSED'}`;

export const verdictText = ({ bytes, against, ratio, atMost, holds }: BoundVerdict): string =>
  `xen-pool ÷ ${against} at ${bytes / MIB} MiB: ${ratio.toFixed(2)}, at most ${atMost}${holds ? '' : ': MISSED'}`;

/** Tiers 0 and 1. */
const WITHOUT_DOM0 = ['local-fresh', 'touch-only', 'xen-lease', 'xen-pool'];

/** Nobody in dom0 wakes for a request that it sees nothing of: only an event from the guest could tell it. */
export const wakeVerdictTexts = (counts: XenBenchResult['counts']): string[] =>
  counts
    .filter(({ case: name }) => WITHOUT_DOM0.includes(name))
    .map(({ case: name, bytes, guest, guest_at_rest: rest }) => {
      const events = Math.max(0, guest.event_sends - rest.event_sends);
      const missed = events === 0 ? '' : ': MISSED';
      return `events to dom0 for ${name} at ${bytes / MIB} MiB, more than at rest: ${events}, at most 0${missed}`;
    });
