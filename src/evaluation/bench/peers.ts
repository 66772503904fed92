import { formatBytes } from '../../units.ts';
import type { BenchMachine } from './bench-machine.ts';
import type { BenchRun } from './bench-run.ts';
import { measure, rowsOf } from './measure.ts';
import { tier1Empty, tier2 } from './peer-cases.ts';
import type { BenchRow } from './result.ts';

/** Requests that go to other domains. They cannot share a round with tier 1: nothing may be there to be claimed. */
const MOST_ROUNDS = 300;
const MOST_REFUSALS = 200;

/** @param from @param to shares of the time of the whole run, for the progress. */
export async function measurePeers(
  run: BenchRun,
  machine: BenchMachine,
  name: 'tier2' | 'tier2-4k',
  sizes: readonly number[],
  from: number,
  to: number,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  await machine.setReserve(0);
  for (const [step, size] of sizes.entries()) {
    run.progress(`${name}, ${formatBytes(size)}`, from + ((to - from) * step) / sizes.length);
    const rounds = Math.min(run.rounds(size).all, MOST_ROUNDS);
    rows.push(...rowsOf(await measure([tier2(machine, name)], size, rounds, run.signal), size));
    await machine.drainDonor();
  }
  return rows;
}

export async function measureExhausted(run: BenchRun, machine: BenchMachine): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  await machine.exhaust();
  for (const size of run.plan.sizes) {
    const rounds = Math.min(run.rounds(size).all, MOST_REFUSALS);
    rows.push(...rowsOf(await measure([tier1Empty(machine)], size, rounds, run.signal), size));
  }
  await machine.drainDonor();
  return rows;
}
