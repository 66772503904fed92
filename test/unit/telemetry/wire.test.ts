import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BurstRecord, LocalProbe, PressureSample, PsiReading, VmstatReading } from '../../../src/records.ts';
import type { Stamp } from '../../../src/telemetry/schema.ts';
import { REPORTS } from '../../../src/telemetry/topics.ts';
import {
  allocPayload,
  burstPayload,
  burstRecordOf,
  memPayload,
  pressureSampleOf,
  psiPayload,
} from '../../../src/telemetry/wire.ts';
import { readReport } from '../../../src/telemetry/wire-read.ts';
import { type Bytes, bytes, micros } from '../../../src/units.ts';

const stampAt = (atMicros: number): Stamp => ({
  v: 1,
  seq: 0,
  boot: 'b',
  mono_ns: String(Math.round(atMicros * 1000)),
  ts: '1970-01-01T00:00:00.000Z',
});

const size = fc.nat({ max: 2 ** 40 }).map((count) => bytes(count));
const events = fc.nat({ max: 2 ** 48 });
const duration = fc.double({ min: 0, max: 1e9, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const instant = fc.nat({ max: 2 ** 40 }).map((count) => micros(count));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Plain objects that leave out what is undefined, as records do. */
const record = <T extends object>(fields: { [Key in keyof T]-?: fc.Arbitrary<T[Key] | undefined> }): fc.Arbitrary<T> =>
  fc
    .record(fields as Record<string, fc.Arbitrary<unknown>>)
    .map((value) => Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T);

const psi = record<PsiReading>({
  someAvg10Percent: fc.double({ min: 0, max: 100, noNaN: true }),
  fullAvg10Percent: fc.double({ min: 0, max: 100, noNaN: true }),
  someTotalMicros: events,
  fullTotalMicros: events,
});
const vmstat = record<VmstatReading>({
  majorFaults: events,
  pagesScannedDirect: events,
  pagesScannedBackground: events,
  oomKills: events,
  allocationStalls: events,
});
const samples = record<PressureSample>({
  atMicros: instant,
  scope: fc.constantFrom('domain', 'machine'),
  usedBytes: maybe(size),
  limitBytes: maybe(size),
  availableBytes: maybe(size),
  psi: maybe(psi),
  vmstat: maybe(vmstat),
  missing: maybe(
    fc.array(
      record<{ source: string; reason: string }>({
        source: fc.stringMatching(/^[a-z/]{1,20}$/),
        reason: fc.string({ maxLength: 40 }),
      }),
      {
        maxLength: 4,
      },
    ),
  ),
});
const probes: fc.Arbitrary<LocalProbe> = fc.oneof(
  record<Extract<LocalProbe, { kind: 'measured' }>>({
    kind: fc.constant('measured'),
    freshMicros: duration,
    bestMicros: duration,
    bestWay: fc.constantFrom('warm' as const, 'huge' as const),
  }),
  record<Extract<LocalProbe, { kind: 'skipped' }>>({
    kind: fc.constant('skipped'),
    reason: fc.string({ maxLength: 40 }),
  }),
);
const bursts = record<BurstRecord>({
  id: fc.string({ minLength: 1, maxLength: 40 }),
  domain: fc.constant('cluster'),
  atMicros: instant,
  requestedBytes: size,
  tierBytes: record<BurstRecord['tierBytes']>({ reserve: size, pool: size, peer: size }),
  mode: fc.constantFrom('split', 'hypervisor'),
  outcome: fc.constantFrom('served', 'refused'),
  refusal: maybe(fc.string({ maxLength: 40 })),
  stages: record<BurstRecord['stages']>({
    detectMicros: maybe(duration),
    notifyMicros: maybe(duration),
    decideMicros: maybe(duration),
    releaseMicros: maybe(duration),
    populateMicros: maybe(duration),
    touchMicros: maybe(duration),
  }),
  totalMicros: duration,
  idleBytes: size,
  probe: maybe(probes),
});

test('every burst comes back from the wire as it was, through the schema', () => {
  fc.assert(
    fc.property(bursts, (burst) => {
      const read = readReport('event/burst', JSON.stringify(burstPayload(stampAt(burst.atMicros), burst)));
      assert.ok(read.ok, JSON.stringify(read));
      assert.deepEqual(burstRecordOf(read.payload), burst);
    }),
  );
});

test('every pressure sample comes back from its messages as it was; what was missing stays missing', () => {
  fc.assert(
    fc.property(samples, (sample) => {
      const mem = readReport('tele/mem', JSON.stringify(memPayload(stampAt(sample.atMicros), sample)));
      const written = psiPayload(stampAt(sample.atMicros), sample);
      assert.equal(written === undefined, sample.psi === undefined);
      const psi = written && readReport('tele/psi', JSON.stringify(written));
      assert.ok(mem.ok && psi?.ok !== false);
      assert.deepEqual(pressureSampleOf(mem.payload, psi?.payload), sample);
    }),
  );
});

test('a figure that is not known has no key', () => {
  const payload = allocPayload(stampAt(1), { reserveBytes: 5 as Bytes });
  assert.deepEqual(Object.keys(payload).sort(), ['boot', 'mono_ns', 'reserve_bytes', 'seq', 'ts', 'v']);
});

test('a message is flat: values are plain, but for the list of what is missing', () => {
  fc.assert(
    fc.property(samples, bursts, (sample, burst) => {
      const messages = [
        memPayload(stampAt(1), sample),
        psiPayload(stampAt(1), sample) ?? {},
        burstPayload(stampAt(1), burst),
      ];
      for (const message of messages) {
        for (const [key, value] of Object.entries(message)) {
          assert.ok(typeof value !== 'object' || (key === 'missing' && Array.isArray(value)), key);
        }
      }
    }),
  );
});

test('a reader accepts fields of a later agent, and refuses another version', () => {
  const mark = { ...stampAt(1), source: 'gpio' };
  assert.equal(readReport('event/mark', JSON.stringify({ ...mark, altitude_m: 300 })).ok, true);
  assert.deepEqual(readReport('event/mark', JSON.stringify({ ...mark, v: 2 })), {
    ok: false,
    reason: 'v: Invalid input: expected 1',
  });
});

test('what is no message is refused with a reason, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...REPORTS),
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.uint8Array().map((raw) => Buffer.from(raw)),
      ),
      (report, content) => {
        const read = readReport(report, content);
        assert.ok(!read.ok && read.reason.length > 0);
      },
    ),
  );
});
