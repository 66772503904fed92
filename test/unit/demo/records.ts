import type { BurstRecord } from '../../../src/records.ts';
import { bytes, MIB, micros } from '../../../src/units.ts';

/** A served burst of 4 MiB out of the reserve, with a probe; change what matters. */
export const burst = (changes: Partial<BurstRecord> = {}): BurstRecord => ({
  id: 'infotainment-1-1',
  domain: 'infotainment',
  atMicros: micros(1_000_000),
  requestedBytes: bytes(4 * MIB),
  tierBytes: { reserve: 4 * MIB, pool: 0, peer: 0 },
  mode: 'hypervisor',
  outcome: 'served',
  stages: {},
  totalMicros: 100,
  idleBytes: bytes(64 * MIB),
  probe: { kind: 'measured', freshMicros: 2000, bestMicros: 50, bestWay: 'warm' },
  ...changes,
});
