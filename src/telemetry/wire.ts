/**
 * Records to wire messages and back. Writing is plain assignment, without the schema: it runs at the sampling rate. The
 * compiler holds both to the same fields, and the tests read back everything that is written.
 */
import { type BurstRecord, type LocalProbe, type PressureSample, TIERS } from '../records.ts';
import { type Bytes, bytes, type Micros, micros } from '../units.ts';
import type { ReportPayload, Stamp } from './schema.ts';

/** How a domain's memory divides by tier. What is not known is absent. */
export interface AllocReading {
  readonly limitBytes?: Bytes;
  readonly reserveBytes?: Bytes;
  readonly offeredBytes?: Bytes;
  readonly leasedBytes?: Bytes;
  readonly roundingBytes?: Bytes;
  readonly splitFreeBytes?: Bytes;
  readonly poolBytes?: Bytes;
}

export function memPayload(stamp: Stamp, sample: PressureSample): ReportPayload<'tele/mem'> {
  const { vmstat } = sample;
  return present({
    ...stamp,
    scope: sample.scope,
    used_bytes: sample.usedBytes,
    limit_bytes: sample.limitBytes,
    available_bytes: sample.availableBytes,
    major_faults: vmstat?.majorFaults,
    pages_scanned_direct: vmstat?.pagesScannedDirect,
    pages_scanned_background: vmstat?.pagesScannedBackground,
    oom_kills: vmstat?.oomKills,
    allocation_stalls: vmstat?.allocationStalls,
    missing: sample.missing?.map(({ source, reason }) => `${source}: ${reason}`.slice(0, 1024)),
  });
}

/** `undefined` when the sample has no PSI; its `tele/mem` says why. */
export function psiPayload(stamp: Stamp, { scope, psi }: PressureSample): ReportPayload<'tele/psi'> | undefined {
  return (
    psi && {
      ...stamp,
      scope,
      some_avg10_percent: psi.someAvg10Percent,
      full_avg10_percent: psi.fullAvg10Percent,
      some_total_us: psi.someTotalMicros,
      full_total_us: psi.fullTotalMicros,
    }
  );
}

export function allocPayload(stamp: Stamp, reading: AllocReading): ReportPayload<'tele/alloc'> {
  return present({
    ...stamp,
    limit_bytes: reading.limitBytes,
    reserve_bytes: reading.reserveBytes,
    offered_bytes: reading.offeredBytes,
    leased_bytes: reading.leasedBytes,
    rounding_bytes: reading.roundingBytes,
    split_free_bytes: reading.splitFreeBytes,
    pool_bytes: reading.poolBytes,
  });
}

export function burstPayload(stamp: Stamp, record: BurstRecord): ReportPayload<'event/burst'> {
  const { stages, probe, tierBytes } = record;
  return present({
    ...stamp,
    id: record.id,
    domain: record.domain,
    mode: record.mode,
    outcome: record.outcome,
    refusal: record.refusal,
    requested_bytes: record.requestedBytes,
    reserve_bytes: tierBytes.reserve,
    pool_bytes: tierBytes.pool,
    peer_bytes: tierBytes.peer,
    idle_bytes: record.idleBytes,
    detect_us: stages.detectMicros,
    notify_us: stages.notifyMicros,
    decide_us: stages.decideMicros,
    release_us: stages.releaseMicros,
    populate_us: stages.populateMicros,
    touch_us: stages.touchMicros,
    total_us: record.totalMicros,
    ...probePayload(probe),
  });
}

function probePayload(probe: LocalProbe | undefined): Partial<ReportPayload<'event/burst'>> {
  if (probe === undefined) return {};
  if (probe.kind === 'skipped') return { probe_skipped: probe.reason };
  return { probe_fresh_us: probe.freshMicros, probe_best_us: probe.bestMicros, probe_best_way: probe.bestWay };
}

export function burstRecordOf(payload: ReportPayload<'event/burst'>): BurstRecord {
  return present({
    id: payload.id,
    domain: payload.domain,
    atMicros: instantOf(payload),
    requestedBytes: bytes(payload.requested_bytes),
    tierBytes: Object.fromEntries(TIERS.map((tier) => [tier, payload[`${tier}_bytes`]])) as BurstRecord['tierBytes'],
    mode: payload.mode,
    outcome: payload.outcome,
    refusal: payload.refusal,
    stages: present({
      detectMicros: payload.detect_us,
      notifyMicros: payload.notify_us,
      decideMicros: payload.decide_us,
      releaseMicros: payload.release_us,
      populateMicros: payload.populate_us,
      touchMicros: payload.touch_us,
    }),
    totalMicros: payload.total_us,
    idleBytes: bytes(payload.idle_bytes),
    probe: probeOf(payload),
  });
}

function probeOf(payload: ReportPayload<'event/burst'>): LocalProbe | undefined {
  const {
    probe_fresh_us: freshMicros,
    probe_best_us: bestMicros,
    probe_best_way: bestWay,
    probe_skipped: reason,
  } = payload;
  if (reason !== undefined) return { kind: 'skipped', reason };
  if (freshMicros === undefined || bestMicros === undefined || bestWay === undefined) return undefined;
  return { kind: 'measured', freshMicros, bestMicros, bestWay };
}

/** Joins the two messages of one sample; `psi` must have the same `mono_ns`, or be absent. */
export function pressureSampleOf(mem: ReportPayload<'tele/mem'>, psi?: ReportPayload<'tele/psi'>): PressureSample {
  return present({
    atMicros: instantOf(mem),
    scope: mem.scope,
    usedBytes: mem.used_bytes as Bytes | undefined,
    limitBytes: mem.limit_bytes as Bytes | undefined,
    availableBytes: mem.available_bytes as Bytes | undefined,
    psi: psi && {
      someAvg10Percent: psi.some_avg10_percent,
      fullAvg10Percent: psi.full_avg10_percent,
      someTotalMicros: psi.some_total_us,
      fullTotalMicros: psi.full_total_us,
    },
    vmstat: vmstatOf(mem),
    missing: mem.missing?.map((entry) => {
      const colon = entry.indexOf(': ');
      return colon < 0
        ? { source: entry, reason: '' }
        : { source: entry.slice(0, colon), reason: entry.slice(colon + 2) };
    }),
  });
}

function vmstatOf(mem: ReportPayload<'tele/mem'>): PressureSample['vmstat'] {
  const { major_faults, pages_scanned_direct, pages_scanned_background, oom_kills, allocation_stalls } = mem;
  if (
    major_faults === undefined ||
    pages_scanned_direct === undefined ||
    pages_scanned_background === undefined ||
    oom_kills === undefined ||
    allocation_stalls === undefined
  ) {
    return undefined;
  }
  return {
    majorFaults: major_faults,
    pagesScannedDirect: pages_scanned_direct,
    pagesScannedBackground: pages_scanned_background,
    oomKills: oom_kills,
    allocationStalls: allocation_stalls,
  };
}

/** Nanoseconds in digits to microseconds: to the nanosecond for 104 days of uptime, to a few of them after. */
const instantOf = ({ mono_ns }: { readonly mono_ns: string }): Micros => micros(Number(mono_ns) / 1000);

type Present<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

/** Leaves out what is undefined: an absent figure has no key, on the wire and in a record. */
function present<T extends object>(fields: T): Present<T> {
  for (const key of Object.keys(fields) as (keyof T)[]) if (fields[key] === undefined) delete fields[key];
  return fields as unknown as Present<T>;
}
