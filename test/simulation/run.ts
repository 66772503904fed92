/**
 * `npm run simulate`: as many steps as you like. MEMTIDE_SIM_STEPS (a million) are run in pieces of MEMTIDE_SIM_PIECE
 * steps, each from a seed of its own, beginning with MEMTIDE_SIM_SEED (1), in every scenario or in MEMTIDE_SIM_SCENARIO.
 */
import { simulate } from './runner.ts';
import { SCENARIOS } from './scenarios.ts';

const { MEMTIDE_SIM_STEPS, MEMTIDE_SIM_SEED, MEMTIDE_SIM_SCENARIO, MEMTIDE_SIM_PIECE } = process.env;
const total = Number(MEMTIDE_SIM_STEPS ?? 1_000_000);
const firstSeed = Number(MEMTIDE_SIM_SEED ?? 1);
const piece = Math.min(total, Number(MEMTIDE_SIM_PIECE ?? 20_000));
const chosen = SCENARIOS.filter(({ name }) => MEMTIDE_SIM_SCENARIO === undefined || name === MEMTIDE_SIM_SCENARIO);
if (chosen.length === 0) throw new Error(`no scenario "${MEMTIDE_SIM_SCENARIO}"`);

const startedAt = performance.now();
let failed = 0;
for (const scenario of chosen) {
  const began = performance.now();
  let steps = 0;
  let seed = firstSeed;
  const tally: Record<string, number> = {};
  for (; steps < total; seed++) {
    const outcome = simulate(scenario, seed, piece);
    steps += outcome.steps;
    for (const [what, count] of Object.entries(outcome.tally)) tally[what] = (tally[what] ?? 0) + count;
    if (!outcome.violation) continue;
    console.log(outcome.report);
    failed++;
    break;
  }
  const seconds = (performance.now() - began) / 1000;
  const counts = Object.entries(tally).map(([what, count]) => `${what} ${count}`);
  console.log(`${scenario.name}: ${steps} steps in ${seconds.toFixed(1)} s; ${counts.join(', ')}`);
}
console.log(`${chosen.length} scenarios in ${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
