import { formatBytes, formatMicros, MIB } from '../../../units.ts';
import { alignedTable } from '../text-table.ts';
import { leaseVerdictText, verdictsOf, verdictText, wakeVerdictTexts } from './bounds.ts';
import { XEN_CASES } from './cases.ts';
import type { DomainCounts } from './domain-counts.ts';
import type { XenBenchResult } from './result.ts';

export function xenBenchText(result: XenBenchResult): string {
  const { environment, rows, ratios, leases, pipe_round_trip, counts, left_out } = result;
  const table = rows.map((row) => [
    row.case,
    `${row.bytes / MIB} MiB`,
    String(row.n),
    formatMicros(row.p50_us),
    formatMicros(row.usable_p50_us),
    formatMicros(row.touch_p50_us),
    formatMicros(row.max_us),
    ratioText(ratios.find(({ against, bytes }) => against === row.case && bytes === row.bytes)?.xen_pool_p50_ratio),
  ]);
  const head = ['case', 'size', 'n', 'p50', 'until usable', 'touch', 'max', 'xen-pool ÷ this'];
  const about = XEN_CASES.map(({ name, about: text }) => `  ${name}: ${text}`);
  const missing = left_out.map(({ bytes, case: name, reason }) => {
    const what = [name, bytes && `${bytes / MIB} MiB`].filter(Boolean).join(', ');
    return `  ${what} left out: ${reason}`;
  });
  return `${[
    `Memory for a guest of Xen, from the request until it is touched. ${environment.cpu}, Linux ${environment.kernel}, guest of ${environment.guest_mib} MiB.`,
    environment.emulated
      ? `All times are emulated (${environment.machine}): only ratios within one boot say something.`
      : `On ${environment.machine}.`,
    '',
    alignedTable([head, ...table]),
    '',
    ...about,
    ...missing,
    ...countsText(counts),
    '',
    ...verdictsOf(result).map(verdictText),
    ...leases.map((lease) => leaseVerdictText(lease, pipe_round_trip.p50_us)),
    ...wakeVerdictTexts(counts),
  ].join('\n')}\n`;
}

function countsText(counts: XenBenchResult['counts']): string[] {
  if (counts.length === 0) return [];
  const kinds = ['hypercalls', 'events', 'wake-ups'];
  const head = ['case', 'size', 'faults', 'zeroed', ...kinds, ...kinds.map((kind) => `dom0 ${kind}`)];
  const beside = (busy: DomainCounts, rest: DomainCounts): string[] =>
    (['hypercalls', 'event_sends', 'wake_ups'] as const).map((key) => `${busy[key]} (${rest[key]})`);
  const table = counts.map(({ case: name, bytes, guest, guest_at_rest, dom0, dom0_at_rest }) => [
    name,
    `${bytes / MIB} MiB`,
    String(guest.faults),
    formatBytes(guest.zeroed_bytes),
    ...beside(guest, guest_at_rest),
    ...beside(dom0, dom0_at_rest),
  ]);
  return [
    '',
    `What one request takes, counted in the guest and in dom0 (in brackets: at rest, for as long), medians of ${counts[0]!.rounds}:`,
    '',
    alignedTable([head, ...table]),
  ];
}

const ratioText = (ratio: number | undefined): string => (ratio === undefined ? '' : ratio.toFixed(2));
