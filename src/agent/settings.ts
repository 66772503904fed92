import type { Config } from '../config/schema.ts';
import type { ConstructReport, PlaneScheduling } from '../coordination/plane-constructs.ts';
import type { WatermarkRule } from '../policy/watermarks.ts';
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
