/** How much memory memtide governs when the configuration leaves it open. */
import { EXIT, MemtideError } from '../errors.ts';
import { type Bytes, bytes, formatBytes, MIB, mebibytes, roundDown } from '../units.ts';
import { MAX_ARENA_MIB } from './bounds.ts';
import type { Config } from './schema.ts'; // the type alone: agents do without the schema

/** Share of the free memory that is taken: the machine must stay usable, and what is free is partly its page cache. */
const FREE_SHARE = 1 / 4;

type Domain = Config['domains'][number];

/** What a domain must be able to hold at the start: its budget and reserve, or its floor where that is more. */
export const leastMib = ({ budget_mib, reserve_mib = 0, floor_mib }: Domain): number =>
  Math.max(budget_mib + reserve_mib, floor_mib);

/** How far the budget of a domain's programs may be taken down. The rest of the floor is arena memory. */
export const privateFloorMib = ({ floor_mib, budget_mib }: Domain): number => Math.min(floor_mib, budget_mib);

/**
 * `total_mib` if given, else a quarter of what is free, in whole MiB, as far as an arena can be mapped.
 * @param free what programs could have now: MemAvailable of the machine, or its cgroup's limit less use.
 * @throws MemtideError with `EXIT.config` when the domains' budgets do not fit.
 */
export function governedBytes(config: Config, free: Bytes): Bytes {
  const sum = (per: (domain: Domain) => number) => config.domains.reduce((all, each) => all + per(each), 0);
  const most = mebibytes(MAX_ARENA_MIB + sum(privateFloorMib));
  const quarter = Math.min(most, roundDown(free * FREE_SHARE, MIB));
  const total = config.total_mib === undefined ? quarter : mebibytes(config.total_mib);
  const needed = mebibytes(sum(leastMib) + (config.arena.pool_mib ?? 0));
  if (total < needed) {
    throw new MemtideError({
      operation: 'divide memory among the domains',
      object: 'total_mib',
      expected: `at least ${formatBytes(needed)}, what the domains hold at the start, and the pool`,
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
