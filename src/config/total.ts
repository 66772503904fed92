/** How much memory memtide governs when the configuration leaves it open. */
import { EXIT, MemtideError } from '../errors.ts';
import { type Bytes, bytes, formatBytes, MIB, mebibytes, roundDown } from '../units.ts';
import type { Config } from './schema.ts';

/** Share of the free memory that is taken: the machine must stay usable, and what is free is partly its page cache. */
const FREE_SHARE = 1 / 4;

/**
 * `total_mib` if given, else a quarter of what is free, in whole MiB.
 * @param free what programs could have now: MemAvailable of the machine, or its cgroup's limit less use.
 * @throws MemtideError with `EXIT.config` when the domains' budgets do not fit.
 */
export function governedBytes(config: Config, free: Bytes): Bytes {
  const total = config.total_mib === undefined ? roundDown(free * FREE_SHARE, MIB) : mebibytes(config.total_mib);
  const sum = (per: (domain: Config['domains'][number]) => number) =>
    config.domains.reduce((all, each) => all + per(each), 0);
  const needed = mebibytes(
    sum(({ budget_mib, reserve_mib = 0 }) => budget_mib + reserve_mib) + (config.arena.pool_mib ?? 0),
  );
  if (total < needed) {
    throw new MemtideError({
      operation: 'divide memory among the domains',
      object: 'total_mib',
      expected: `at least ${formatBytes(needed)}, the sum of budgets, reserves and pool`,
      actual: `${formatBytes(total)}, a quarter of the ${formatBytes(free)} that are free`,
      remedy: 'free memory, set total_mib, or lower budget_mib of the domains',
      exitCode: EXIT.config,
    });
  }
  if (total > free) {
    throw new MemtideError({
      operation: 'take the memory that the configuration asks for',
      object: 'total_mib',
      expected: `at most the ${formatBytes(free)} that are free`,
      actual: formatBytes(total),
      remedy: 'lower total_mib, or leave it out',
      exitCode: EXIT.config,
    });
  }
  return bytes(total);
}
