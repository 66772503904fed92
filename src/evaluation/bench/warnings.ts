import type { ArenaFacts } from '../../coordination/backend-arena.ts';
import { formatBytes } from '../../units.ts';
import type { MachineFacts } from './environment.ts';
import type { BenchRow } from './result.ts';

/** A case whose memory was not of the kind that its name says is worse than none: page faults tell. Pure. */

/** Faults of other threads and of V8 in one sample. */
const STRAY_FAULTS = 32;
/** A load above this share of the CPUs before the bench began is other programs at work. */
const BUSY_SHARE = 0.5;

export function warningsOf(
  rows: readonly BenchRow[],
  facts: Pick<MachineFacts, 'page_bytes' | 'huge_page_bytes' | 'thp' | 'load_1min' | 'cores'>,
  arena: Pick<ArenaFacts, 'huge' | 'hugeReason'>,
): string[] {
  const warnings: string[] = [];
  const say = (row: BenchRow, what: string): void => {
    warnings.push(`${row.case}${row.cache ? ` ${row.cache}` : ''}, ${formatBytes(row.bytes)}: ${what}`);
  };
  const pages = (row: BenchRow): number => Math.floor(row.bytes / facts.page_bytes);
  for (const row of rows) {
    if (row.case === 'local-fresh') {
      const huge = facts.huge_page_bytes;
      const unit = facts.thp === 'always' && huge && row.bytes >= huge ? huge : facts.page_bytes;
      if (row.faults_min < Math.floor(row.bytes / unit))
        say(row, `${row.faults_min} page faults in a sample, fewer than it has pages: not all of it was fresh`);
    }
    if (row.case === 'local-huge' && row.faults_p50 >= pages(row))
      say(row, 'took a fault for each base page: the kernel gave it no huge pages');
    if ((row.case.startsWith('tier1') || row.case === 'touch-only') && row.faults_p50 > STRAY_FAULTS)
      say(row, `took ${row.faults_p50} page faults: its memory was not mapped beforehand`);
  }
  if (!arena.huge) warnings.push(`the arena has base pages: ${arena.hugeReason ?? 'as configured'}`);
  const busy = busyWarning(facts);
  if (busy !== undefined) warnings.push(busy);
  return warnings;
}

/** @returns nothing on a quiet machine. */
export function busyWarning({ load_1min, cores }: Pick<MachineFacts, 'load_1min' | 'cores'>): string | undefined {
  if (load_1min <= cores * BUSY_SHARE) return undefined;
  return `the machine was busy before the bench began (load ${load_1min.toFixed(2)} on ${cores} CPUs)`;
}
