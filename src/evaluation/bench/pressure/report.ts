import { Ansis } from 'ansis';
import { formatBytes, formatMicros } from '../../../units.ts';
import { figureTable } from '../report.ts';
import type { Tail } from '../tails.ts';
import { alignedTable } from '../text-table.ts';
import { type PoolRow, type PressureResult, pressureFigures } from './result.ts';

/** `memtide bench --pressure` for people. Pure. */
export function pressureText(result: PressureResult, { colours }: { readonly colours: boolean }): string {
  const colour = new Ansis(colours ? 1 : 0);
  const { environment: e, pools, warnings } = result;
  const section = (title: string, note: string, body: string): string =>
    `${colour.bold(title)}${colour.dim(note)}\n${body}`;
  const sections = [
    `${e.cpu}, ${e.cores} CPUs, ${e.memory_mib} MiB, ${e.arch}, Linux ${e.kernel}, Node ${e.node}; load ${e.load_1min.toFixed(2)}\n${shortageText(result)}`,
    section(
      'The warm pool in memory',
      ` ${formatBytes(e.pool_bytes)} in base pages, by mincore: after use, and the least while memory was short`,
      alignedTable([
        ['', 'quiet', 'short'],
        ...pools.map((pool) => [nameOf(pool), percent(pool.resident_quiet), percent(pool.resident_short)]),
      ]),
    ),
    section(
      'Latency',
      ` of ${formatBytes(pools[0]?.tiers[0]?.bytes ?? 0)}, all of it touched, memory plentiful and short in alternation`,
      alignedTable([
        ['', 'n', 'quiet p50', 'p99', 'max', 'short p50', 'p99', 'max'],
        ...pools.flatMap((pool) =>
          pool.tiers.map((row) => [
            `${row.case}, ${nameOf(pool)}`,
            String(row.quiet?.n ?? 0),
            ...cells(row.quiet),
            ...cells(row.short),
          ]),
        ),
      ]),
    ),
    section('What memtide promises', '', figureTable(pressureFigures(result), colour)),
    ...(warnings.length > 0 ? [section('To be kept in mind', '', warnings.map((line) => `! ${line}`).join('\n'))] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

function shortageText({ shortage }: PressureResult): string {
  if ('not_made' in shortage) {
    return `memory was NOT made short: ${shortage.not_made}\n  to mend: ${shortage.remedy}`;
  }
  const { by, swap, no_swap_reason, short_by_bytes } = shortage;
  const where = swap === undefined ? `no swap (${no_swap_reason}): files are dropped and read again` : `swap: ${swap}`;
  return `memory made short by ${formatBytes(short_by_bytes)} in a ${by}; ${where}`;
}

const nameOf = ({ lock, locked, lock_reason }: PoolRow): string =>
  locked ? 'locked' : lock ? `not locked (${lock_reason})` : 'not locked';

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${(share * 100).toFixed(1)} %`);

const cells = (tail: Tail | undefined): string[] =>
  [tail?.p50_us, tail?.p99_us, tail?.max_us].map((micros) => (micros === undefined ? '–' : formatMicros(micros)));
