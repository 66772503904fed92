import type { Safeguards, Scenario } from './scenario.ts';
import { Violation } from './violation.ts';
import { World } from './world.ts';

/** How a run ended: `violation` is undefined when every invariant held. */
export interface Outcome {
  readonly scenario: string;
  readonly seed: number;
  readonly steps: number;
  readonly tally: World['tally'];
  readonly violation: Violation | undefined;
  /** For people: what was violated, how to run it again, and what happened last. Empty when nothing was. */
  readonly report: string;
}

/** Runs a scenario from a seed. */
export function simulate(scenario: Scenario, seed: number, steps: number, safeguards?: Safeguards): Outcome {
  const world = new World(scenario, seed, safeguards);
  try {
    world.run(steps);
    return { scenario: scenario.name, seed, steps: world.steps, tally: world.tally, violation: undefined, report: '' };
  } catch (error) {
    const violation = error instanceof Violation ? error : new Violation('no crash', String((error as Error).stack));
    const report = [
      violation.message,
      `in scenario "${scenario.name}", seed ${seed}, step ${world.steps}; to see it again:`,
      `  MEMTIDE_SIM_SCENARIO="${scenario.name}" MEMTIDE_SIM_SEED=${seed} MEMTIDE_SIM_STEPS=${steps} npm run simulate`,
      'the last events:',
      world.history.toString(),
    ].join('\n');
    return { scenario: scenario.name, seed, steps: world.steps, tally: world.tally, violation, report };
  }
}
