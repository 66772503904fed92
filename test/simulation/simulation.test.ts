/**
 * Every scenario, with a fixed budget of steps from fixed seeds. More by option: see README.md here. What fails says by
 * which seed, and is run again by it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './runner.ts';
import { SCENARIOS } from './scenarios.ts';

const SEEDS = [1, 2, 3];

for (const scenario of SCENARIOS) {
  test(`scenario: ${scenario.name}`, () => {
    const tally = { claims: 0, deaths: 0, deathsInMidMove: 0, stops: 0, budgetMoves: 0 };
    for (const seed of SEEDS) {
      const outcome = simulate(scenario, seed, scenario.steps);
      assert.equal(outcome.violation, undefined, outcome.report);
      for (const what of Object.keys(tally) as (keyof typeof tally)[]) tally[what] += outcome.tally[what];
    }
    // A run in which nothing happened shows nothing.
    assert.ok(tally.claims > 100, 'memory changes hands');
    const { faults, budgets } = scenario;
    if (faults.killApplication ?? faults.killAgent ?? faults.killBackend) assert.ok(tally.deaths > 0);
    if (faults.deadInMidMove) assert.ok(tally.deathsInMidMove > 0);
    if (faults.stopAgent ?? faults.stopApplication) assert.ok(tally.stops > 0);
    if (budgets) assert.ok(tally.budgetMoves > 0);
  });
}

test('the same seed gives the same run', () => {
  const scenario = SCENARIOS.find(({ name }) => name === 'everything at once')!;
  const [one, two] = [simulate(scenario, 7, 5000), simulate(scenario, 7, 5000)];
  assert.deepEqual(one, two);
  assert.notDeepEqual(simulate(scenario, 8, 5000).tally, one.tally);
});
