import { STATE } from '../control/layout.ts';
import type { ArenaFacts } from '../coordination/backend-arena.ts';
import type { BackendService } from '../coordination/backend-service.ts';
import type { Sizing } from '../policy/sizing.ts';

/** A domain's row of the back end's status: what it holds of the arena, by the state of its chunks. */
export function arenaStatus(service: BackendService, name: string, counts: Int32Array): Record<string, number> {
  service.countStates(name, counts);
  const of = (state: number): number => counts[state]! * service.chunkBytes;
  const { roundingBytes, splitFreeBytes } = service.internalWaste(name);
  return {
    reserve_bytes: of(STATE.reserved) + of(STATE.scrubbing) + of(STATE.dirty),
    offered_bytes: of(STATE.offered),
    leased_bytes: of(STATE.leased) + of(STATE.leasedRevocable) + of(STATE.split) + of(STATE.splitting),
    rounding_bytes: roundingBytes,
    split_free_bytes: splitFreeBytes,
  };
}

/** What memory is idle for, and the evidence, as the status says it. */
export const sizingStatus = ({
  idleBytes,
  worstCaseBytes,
  missedShare,
  evidence,
}: Sizing): Record<string, unknown> => ({
  idle_bytes: idleBytes,
  worst_case_bytes: worstCaseBytes,
  missed_share: missedShare,
  evidence,
});

/** What became of the arena at the start, as the log says it. */
export const arenaLog = ({
  byteLength,
  huge,
  hugeReason,
  locked,
  lockReason,
}: ArenaFacts): Record<string, unknown> => ({
  arena_bytes: byteLength,
  huge,
  huge_reason: hugeReason,
  locked,
  lock_reason: lockReason,
});
