import type { ReportMessage } from '../../../src/demo/demo-state.ts';
import type { BurstRecord } from '../../../src/records.ts';
import type { Stamp } from '../../../src/telemetry/schema.ts';
import { burstPayload } from '../../../src/telemetry/wire.ts';
import { MIB } from '../../../src/units.ts';

const stamp = (atMicros: number): Stamp => ({
  v: 1,
  seq: 0,
  boot: 'boot',
  mono_ns: String(Math.round(atMicros * 1000)),
  ts: '2026-01-01T00:00:00.000Z',
});

/** Sizes in MiB. */
export const alloc = (
  domain: string,
  atMicros: number,
  leased: number,
  reserve: number,
  offered: number,
): ReportMessage => ({
  report: 'tele/alloc',
  domain,
  payload: {
    ...stamp(atMicros),
    leased_bytes: leased * MIB,
    reserve_bytes: reserve * MIB,
    offered_bytes: offered * MIB,
  },
});
export const pool = (atMicros: number, free: number): ReportMessage => ({
  report: 'tele/alloc',
  domain: 'backend',
  payload: { ...stamp(atMicros), pool_bytes: free * MIB },
});
export const psi = (some: number, full: number): ReportMessage => ({
  report: 'tele/psi',
  domain: 'cluster',
  payload: {
    ...stamp(0),
    scope: 'machine',
    some_avg10_percent: some,
    full_avg10_percent: full,
    some_total_us: 0,
    full_total_us: 0,
  },
});
export const served = (record: BurstRecord): ReportMessage => ({
  report: 'event/burst',
  domain: record.domain,
  payload: burstPayload(stamp(record.atMicros), record),
});
