/**
 * Work without an end: memory and descriptors of the agents stay as they are, and the books too. MEMTIDE_SOAK_S sets how
 * long (5 s; 120 s in CI; an hour is 3600), MEMTIDE_SEED what the applications do.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Machine, type Victim } from './machine.ts';

const SECONDS = Number(process.env.MEMTIDE_SOAK_S ?? (process.env.CI ? 120 : 5));
const SEED = Number(process.env.MEMTIDE_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Before this V8 is still growing its heaps to what the work needs. */
const SETTLED_SECONDS = 60;
/** Between two full collections V8's heap breathes by more; what is left after the last one moves by less. */
const BREATH_MIB = 4;

interface Look {
  readonly residentMib: number;
  readonly descriptors: number;
}

function lookAt({ process: { pid } }: Victim): Look {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const residentMib = Number(/^RssAnon:\s+(\d+) kB/m.exec(status)![1]) / 1024;
  return { residentMib, descriptors: fs.readdirSync(`/proc/${pid}/fd`).length };
}

describe(`${SECONDS} s of work, seed ${SEED}`, () => {
  const machine = new Machine(SEED);
  before(() => machine.start());
  after(() => machine.stop());

  it('memory and descriptors of the agents stay as they are', async (test) => {
    const watched = [machine.backend, ...machine.agents];
    const looks = new Map<Victim, Look[]>(watched.map((each) => [each, []]));
    for (let second = 0; second < SECONDS; second++) {
      await wait(1000);
      for (const [victim, all] of looks) all.push(lookAt(victim));
      assert.deepEqual(machine.faults, []);
    }
    for (const [{ name }, all] of looks) {
      const third = Math.floor(all.length / 3);
      const middle = all.slice(third, -third);
      const last = all.slice(-third);
      const of = (part: readonly Look[], what: keyof Look): number[] => part.map((look) => look[what]);
      const least = Math.min(...of(last, 'residentMib'));
      const growth = least - Math.min(...of(middle, 'residentMib'));
      const descriptors = [Math.max(...of(middle, 'descriptors')), Math.max(...of(last, 'descriptors'))] as const;
      test.diagnostic(
        `${name}: at least ${least.toFixed(1)} MiB anonymous in the last third, ${growth.toFixed(2)} MiB more than in the ` +
          `middle one; ${descriptors[1]} descriptors`,
      );
      assert.ok(descriptors[1] <= descriptors[0], `${name}: ${descriptors.join(' → ')} descriptors`);
      if (SECONDS >= SETTLED_SECONDS) assert.ok(growth < BREATH_MIB, `${name} grew by ${growth} MiB`);
    }
    const served = [...machine.workers, ...machine.holders].reduce((sum, { last }) => sum + (last.served ?? 0), 0);
    test.diagnostic(`${served} requests served`);
    assert.ok(served > SECONDS);
  });

  it('the books do not drift', async () => {
    for (const application of [...machine.workers, ...machine.holders]) await application.end('SIGTERM');
    assert.deepEqual(machine.faults, []);
    assert.deepEqual(await machine.violations(), { cluster: 0, infotainment: 0 });
    await machine.checkBooks();
  });
});
