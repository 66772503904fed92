/**
 * Kills, by `kill -9`, and stops beyond every time limit. MEMTIDE_KILLS sets how many (10; 200 in CI), MEMTIDE_SEED which.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Machine, type Victim } from './machine.ts';
import { random } from './random.ts';

const KILLS = Number(process.env.MEMTIDE_KILLS ?? (process.env.CI ? 200 : 10));
const SEED = Number(process.env.MEMTIDE_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Longer than look rounds, heartbeats, deadlines of requests and the grace of their answers. */
const STOP_MILLIS = 900;

describe(`${KILLS} kills, seed ${SEED}`, () => {
  const dice = random(SEED);
  const machine = new Machine(SEED);
  const back: { readonly name: string; readonly millis: number }[] = [];

  const choose = (): Victim => {
    const group = dice(10) < 5 ? machine.workers : dice(2) === 0 ? machine.agents : [machine.backend];
    return group[dice(group.length)]!;
  };

  before(() => machine.start());
  after(() => machine.stop());

  it('no kill loses a chunk, gives one to two, or hands one on unscrubbed; service comes back', async (test) => {
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = choose();
      const millis = await machine.killAndRestart(victim);
      if (millis !== undefined) back.push({ name: victim.domain === undefined ? 'back end' : 'agent', millis });
      assert.deepEqual(machine.faults, [], `after kill ${kill} of the ${victim.name}`);
    }
    for (const name of ['agent', 'back end']) {
      const all = back.filter((each) => each.name === name).map(({ millis }) => millis);
      all.sort((one, other) => one - other);
      if (all.length === 0) continue;
      test.diagnostic(
        `${name}: ${all.length} restarts; first request served after p50 ${Math.round(all[all.length >> 1]!)} ms, ` +
          `max ${Math.round(all.at(-1)!)} ms`,
      );
    }
  });

  it('who is stopped for longer than every time limit and goes on finds everything as it was', async () => {
    for (const victim of [...machine.workers.slice(0, 2), ...machine.agents, machine.backend]) {
      victim.process.kill('SIGSTOP');
      await wait(STOP_MILLIS);
      victim.process.kill('SIGCONT');
      await wait(STOP_MILLIS / 3);
      assert.deepEqual(machine.faults, [], `${victim.name} was stopped`);
    }
    const before = machine.workers.map(({ last }) => last.served ?? 0);
    await machine.until(
      () => machine.workers.every(({ last }, at) => (last.served ?? 0) > before[at]!),
      'every application to be served again',
    );
  });

  it('in the end all memory is accounted for, and nobody has written what no honest party writes', async () => {
    for (const application of [...machine.workers, ...machine.holders]) await application.end('SIGTERM');
    assert.deepEqual(machine.faults, []);
    assert.deepEqual(await machine.violations(), { cluster: 0, infotainment: 0 });
    await machine.checkBooks();
  });
});
