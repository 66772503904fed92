/**
 * A domain that writes into its control file whatever it likes, while all agents work. MEMTIDE_MUTATIONS sets how many
 * words are written anywhere (3,000; 100,000 in CI), and a hundredth as many with cunning; MEMTIDE_SEED which.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openControlFile } from '../../src/control/control-file.ts';
import { BACK } from '../../src/control/layout.ts';
import { Machine, type Victim } from './machine.ts';
import { mutateAnywhere, mutateWithCunning, type Target } from './mutations.ts';
import { random } from './random.ts';

const MUTATIONS = Number(process.env.MEMTIDE_MUTATIONS ?? (process.env.CI ? 100_000 : 3000));
const SEED = Number(process.env.MEMTIDE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const ROUND = 100;
const ROUND_MILLIS = 20;

const served = (applications: readonly Victim[]): number =>
  applications.reduce((sum, { last }) => sum + (last.served ?? 0), 0);

describe(`${MUTATIONS} mutations of a control file, seed ${SEED}`, () => {
  const dice = random(SEED);
  const machine = new Machine(SEED, 'infotainment');
  let target: Target;

  before(async () => {
    await machine.start();
    const { file, identity } = openControlFile(machine.files.domain('infotainment').control);
    target = { words: file.words, halfwords: file.halfwords, geometry: identity };
  });
  after(() => machine.stop());

  it('nobody crashes or hangs, no lease goes beyond what was given, and other domains are served as before', async () => {
    const incarnation = Atomics.load(target.words, BACK.incarnation);
    let incarnations = 0;
    for (let done = 0; done < MUTATIONS; done += ROUND) {
      for (let one = 0; one < ROUND; one++) mutateAnywhere(target, dice);
      mutateWithCunning(target, dice);
      if (Atomics.load(target.words, BACK.incarnation) !== incarnation) incarnations++;
      await wait(ROUND_MILLIS);
      if (done % (MUTATIONS / 10) !== 0) continue;
      const before = served(machine.workers);
      await machine.until(() => served(machine.workers) > before + 20, `the other domain to be served (round ${done})`);
      assert.deepEqual(machine.faults, [], `after ${done} mutations`);
    }
    assert.ok(incarnations > 0, 'links were dropped and made anew');
  });

  it('the violations are counted for the domain that made them, and for no other', async () => {
    const { cluster, infotainment } = await machine.violations();
    assert.ok(infotainment > 0);
    assert.equal(cluster, 0);
  });

  it('once it stops, its domain is served again, over the link that was made anew', async () => {
    const before = served(machine.probers);
    await machine.until(() => served(machine.probers) > before + 10, 'the application that was there to be served');
  });

  it('its agent and applications can be started again', async () => {
    await machine.probers[0]!.end('SIGKILL');
    await machine.agents[1]!.end('SIGKILL');
    await machine.startOne(machine.agents[1]!);
    await machine.startOne(machine.probers[0]!);
    await machine.until(() => served(machine.probers) > 10, 'an application of the hostile domain to be served');
    assert.deepEqual(machine.faults, []);
  });

  it('when all of the domain has ended, everything comes back', async () => {
    for (const application of [...machine.workers, ...machine.holders, ...machine.probers]) {
      await application.end('SIGTERM');
    }
    await machine.agents[1]!.end('SIGKILL'); // what its ledger has lost comes back when nobody of it is left
    await machine.checkBooks();
  });
});
