/** What is promised of growth within the entitlement, held against a run of the bench. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaseVerdictText, verdictsOf, verdictText } from '../../../src/evaluation/bench/xen/bounds.ts';
import type { DomainCounts } from '../../../src/evaluation/bench/xen/domain-counts.ts';
import { xenBenchText } from '../../../src/evaluation/bench/xen/report.ts';
import type { XenBenchResult, XenRow } from '../../../src/evaluation/bench/xen/result.ts';
import { leasesOf } from '../../../src/evaluation/bench/xen/rows.ts';
import { MIB, mebibytes } from '../../../src/units.ts';

const ratio = (mib: number, against: string, xen_pool_p50_ratio: number) => ({
  bytes: mib * MIB,
  against,
  xen_pool_p50_ratio,
});

const row = (name: string, p50: number, mib = 2): XenRow => ({
  case: name,
  bytes: mib * MIB,
  n: 10,
  p50_us: p50,
  min_us: p50,
  max_us: p50,
  usable_p50_us: p50 / 2,
  touch_p50_us: p50 / 2,
});

test('a lease may cost two round trips of a pipe more than the touch of the same size', () => {
  const leases = leasesOf([row('touch-only', 400), row('xen-lease', 700), row('xen-lease', 9000, 8)], 100);
  assert.deepEqual(leases, [{ bytes: 2 * MIB, gap_us: 300, pipe_round_trips: 3 }]);
  assert.equal(
    leaseVerdictText(leases[0]!, 100),
    'xen-lease − touch-only at 2 MiB: 300 µs, 3.00 round trips of a local pipe (100 µs), at most 2: MISSED',
  );
  assert.doesNotMatch(leaseVerdictText({ bytes: 2 * MIB, gap_us: 200, pipe_round_trips: 2 }, 100), /MISSED/);
});

test('half of a rival’s time up to 8 MiB, no more than it above; other cases are no rivals', () => {
  const verdicts = verdictsOf({
    ratios: [
      ratio(2, 'xl-mem-set', 0.5),
      ratio(8, 'qmemman-like', 0.51),
      ratio(32, 'qmemman-like', 0.99),
      ratio(128, 'xl-mem-set', 1.01),
      ratio(2, 'touch-only', 7),
    ],
  });
  assert.deepEqual(
    verdicts.map(({ against, holds }) => [against, holds]),
    [
      ['xl-mem-set', true],
      ['qmemman-like', false],
      ['qmemman-like', true],
      ['xl-mem-set', false],
    ],
  );
  assert.equal(verdictText(verdicts[1]!), 'xen-pool ÷ qmemman-like at 8 MiB: 0.51, at most 0.5: MISSED');
});

const AT_REST = { hypercalls: 4, event_sends: 1, wake_ups: 3 };
const counted = (name: string, guest: DomainCounts): XenBenchResult['counts'][number] => ({
  case: name,
  bytes: mebibytes(2),
  rounds: 3,
  guest: { ...guest, faults: 512, zeroed_bytes: 2 * MIB },
  guest_at_rest: { hypercalls: 1, event_sends: 1, wake_ups: 0 },
  dom0: { hypercalls: 4, event_sends: 2, wake_ups: 9 },
  dom0_at_rest: AT_REST,
});

test('the report of an emulated run says that it is one, what was left out, and what was missed', () => {
  const result: XenBenchResult = {
    platform: 'xen',
    environment: {
      date: '2026-01-01T00:00:00.000Z',
      machine: 'linux,dummy-virt',
      emulated: true,
      cpu: 'unknown',
      kernel: '6.12',
      node: 'v20.19.2',
      load_1min: 1,
      guest_mib: 256,
      rounds: 10,
    },
    rows: [row('xen-pool', 30_000), row('xl-mem-set', 40_000)],
    ratios: [ratio(2, 'xl-mem-set', 0.75)],
    counts: [
      counted('xen-pool', { hypercalls: 2, event_sends: 1, wake_ups: 1 }),
      counted('xen-split', { hypercalls: 9, event_sends: 8, wake_ups: 1 }),
      counted('xen-lease', { hypercalls: 2, event_sends: 2, wake_ups: 0 }),
    ],
    pipe_round_trip: { n: 20, p50_us: 400 },
    leases: [{ bytes: 2 * MIB, gap_us: 100, pipe_round_trips: 0.25 }],
    left_out: [
      { bytes: 128 * MIB, reason: 'the guest was booted with 256 MiB' },
      { bytes: 32 * MIB, case: 'xen-lease', reason: 'dom0 lends 16 MiB' },
      { case: 'xen-lease', reason: 'no agent lends here' },
    ],
  };
  const text = xenBenchText(result);
  assert.match(text, /All times are emulated \(linux,dummy-virt\)/);
  assert.match(text, /128 MiB left out: the guest was booted with 256 MiB/);
  assert.match(text, /xen-lease, 32 MiB left out: dom0 lends 16 MiB/);
  assert.match(text, /xen-lease left out: no agent lends here/);
  assert.match(text, /xen-lease − touch-only at 2 MiB: 100 µs, 0\.25 round trips/);
  assert.match(text, /xen-pool +2 MiB +512 +2 MiB +2 \(1\) +1 \(1\) +1 \(0\) +4 \(4\) +2 \(1\) +9 \(3\)/);
  assert.match(text, /events to dom0 for xen-pool at 2 MiB, more than at rest: 0, at most 0$/m);
  assert.match(text, /events to dom0 for xen-lease at 2 MiB, more than at rest: 1, at most 0: MISSED/);
  assert.doesNotMatch(text, /events to dom0 for xen-split/);
  assert.match(text, /xl-mem-set at 2 MiB: 0\.75, at most 0\.5: MISSED/);
  assert.doesNotMatch(xenBenchText({ ...result, environment: { ...result.environment, emulated: false } }), /emulated/);
});
