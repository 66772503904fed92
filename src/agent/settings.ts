import type { Config } from '../config/schema.ts';
import type { ConstructReport, PlaneScheduling } from '../coordination/plane-constructs.ts';
import type { StuckRule } from '../policy/stuck.ts';
import type { WatermarkRule } from '../policy/watermarks.ts';
import { MIB } from '../units.ts';
import type { Construct } from '../xen/constructs.ts';
import { balloonThread, eventChannelCpu, singlePages } from '../xen/kernel-constructs.ts';
import type { Log } from './log.ts';

/** Configuration to what the parts take. */

export function schedulingOf({ fast_plane }: Config): PlaneScheduling {
  const { nice, policy, fifo_priority, cpu, spin_us } = fast_plane;
  return { nice, policy, fifoPriority: fifo_priority, spinMicros: spin_us, ...(cpu === undefined ? {} : { cpu }) };
}

/** Once, at the start: the plane runs without what it was refused, and somebody may want to know why it is late. */
export function logRefusals(constructs: readonly ConstructReport[], log: Log): void {
  const refused = constructs.filter((report) => report.refused !== undefined);
  if (refused.length > 0) log.warn({ refused }, 'the fast plane runs without scheduler constructs that were refused');
}

export const stuckRuleOf = ({ policy }: Pick<Config, 'policy'>): StuckRule => ({
  missesUntilStuck: policy.stuck_after_misses,
  firstBackoffMicros: policy.stuck_backoff_s * 1e6,
  largestBackoffMicros: policy.stuck_backoff_max_s * 1e6,
});

/**
 * The reserve of a domain: 1.25 times the largest recent draw, which is forgotten by half in ten seconds; never less than
 * one chunk, never more than the step cap.
 */
export function reserveRule(chunkBytes: number, largestBytes: number): WatermarkRule {
  return {
    smallestTarget: chunkBytes,
    largestTarget: largestBytes,
    headroom: 1.25,
    lowShare: 0.5,
    highShare: 1.5,
    halfLifeMicros: 10_000_000,
    giveBackShare: 0.5,
    smallestGiveBack: chunkBytes,
  };
}

/**
 * What a guest holds ahead of need: 1.25 times the largest recent rise of its use within the horizon, which is forgotten
 * by half in thirty seconds. A balloon is slow, so it keeps more than an arena does, and gives back later.
 */
export function guestReserveRule(smallestBytes: number, largestBytes: number): WatermarkRule {
  return {
    smallestTarget: Math.min(smallestBytes, largestBytes),
    largestTarget: largestBytes,
    headroom: 1.25,
    lowShare: 0.75,
    highShare: 1.5,
    halfLifeMicros: 30_000_000,
    giveBackShare: 0.5,
    smallestGiveBack: 8 * MIB,
  };
}

/** What a domain asks of its own kernel. @param isMoved whether it is a guest whose whole reservation is moved. */
export const kernelConstructs = (
  { balloon_priority, event_channel_cpu, single_pages }: Config['xen'],
  isMoved: boolean,
): Construct[] => [
  ...(isMoved && single_pages ? singlePages() : []),
  ...(balloon_priority === undefined ? [] : [balloonThread(balloon_priority)]),
  ...(event_channel_cpu === undefined ? [] : [eventChannelCpu(event_channel_cpu)]),
];
