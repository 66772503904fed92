import type { Config } from '../config/schema.ts';
import type { PlaneScheduling } from '../coordination/plane-thread.ts';
import type { WatermarkRule } from '../policy/watermarks.ts';

/** Configuration to what the parts take. */

export function schedulingOf({ fast_plane }: Config): PlaneScheduling {
  // A look at the doorbell takes about 0.1 µs.
  return { nice: fast_plane.nice, ...(fast_plane.spin_us > 0 ? { spins: fast_plane.spin_us * 10 } : {}) };
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
