import { Ansis } from 'ansis';
import { formatBytes, formatMicros, KIB } from '../../../units.ts';
import { alignedTable } from '../text-table.ts';
import { FRONTS_PER_PROCESS } from './domains-machine.ts';
import type { DomainsResult, DomainsRow } from './result.ts';
import { RATE_PER_SECOND } from './run.ts';

/** The cost of many domains for people: a line for each number of them, and what grew. */
export function domainsText(result: DomainsResult, { colours }: { readonly colours: boolean }): string {
  const colour = new Ansis(colours ? 1 : 0);
  const { environment: e, rows, warnings } = result;
  const sections = [
    [
      `${e.cpu}, ${e.cores} CPUs, ${e.memory_mib} MiB, ${e.arch}, Linux ${e.kernel}, Node ${e.node}; load ${e.load_1min.toFixed(2)}`,
      `one back end; an arena of ${e.arena_mib} MiB in chunks of ${formatBytes(e.chunk_bytes)}, the same for every number of domains`,
      `front ends: up to ${FRONTS_PER_PROCESS} in a process, each with its own control file, futex and thread; this process is an`,
      'application of every domain; the last domain only shakes hands',
    ].join('\n'),
    `${colour.bold('Latency and rate')}\n${latencies(rows)}`,
    `${colour.bold('What it costs')}${colour.dim(' (CPU in % of a core)')}\n${costs(rows)}`,
    [
      'handshake   to the back end’s sleeping fast plane and back, no memory',
      `request     one chunk, nothing on offer: application, front end, back end and back; all domains in turn, ${RATE_PER_SECOND} a second in all`,
      'claim       one chunk of what is on offer: nobody is asked, nobody is woken',
      'release     the same and its release, by one thread for all domains in turn, as fast as it can: each release wakes a front',
      '            end, which scrubs the chunk; its CPU time',
    ].join('\n'),
    ...(warnings.length > 0 ? [warnings.map((warning) => `! ${warning}`).join('\n')] : []),
  ];
  return `${sections.join('\n\n')}\n`;
}

const micros = (value: number | undefined): string => (value === undefined ? '–' : formatMicros(value));

const latencies = (rows: readonly DomainsRow[]): string =>
  alignedTable([
    ['', 'handshake', '', 'request', '', '', 'claim', '', 'with release', '', ''],
    ['domains', 'p50', 'p99', 'p50', 'p99', 'refused', 'p50', 'p99', 'per s', 'front end', 'found'],
    ...rows.map((row) => [
      String(row.domains),
      micros(row.handshake.p50_us),
      micros(row.handshake.p99_us),
      micros(row.request.p50_us),
      micros(row.request.p99_us),
      String(row.refused),
      micros(row.claim.p50_us),
      micros(row.claim.p99_us),
      row.claims_per_s.toFixed(0),
      `${row.front_us_per_claim.toFixed(0)} µs`,
      `${(row.claims_hit_rate * 100).toFixed(0)} %`,
    ]),
  ]);

const costs = (rows: readonly DomainsRow[]): string =>
  alignedTable([
    ['', 'back end', '', '', '', 'front ends', '', 'control'],
    ['domains', 'idle', 'busy', 'a request', 'private', 'idle each', 'private each', 'each'],
    ...rows.map((row) => {
      const fronts = Math.max(1, row.domains - 1);
      return [
        String(row.domains),
        `${row.backend_idle_percent.toFixed(2)} %`,
        `${row.backend_busy_percent.toFixed(1)} %`,
        `${row.backend_us_per_request.toFixed(0)} µs`,
        `${row.backend_mib.toFixed(1)} MiB`,
        `${(row.fronts_idle_percent / fronts).toFixed(2)} %`,
        `${(row.front_mib / fronts).toFixed(1)} MiB`,
        formatBytes(row.control_kib * KIB),
      ];
    }),
  ]);
