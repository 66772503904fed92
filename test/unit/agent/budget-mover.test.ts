/** The same byte is never granted twice, whatever is still on its way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BudgetHost, BudgetMover } from '../../../src/agent/budget-mover.ts';
import { VirtualClock } from '../../../src/clock.ts';
import { checkConfig } from '../../../src/config/load.ts';
import type { BackendNotice } from '../../../src/coordination/agent-protocol.ts';
import { bytes, MIB } from '../../../src/units.ts';

const CHUNK_BYTES = 2 * MIB;

interface Told {
  readonly domain: string;
  readonly id: number;
  readonly changeBytes: number;
}

class Host implements BudgetHost {
  readonly chunkBytes = CHUNK_BYTES;
  isSettled = true;
  presentChunks: number;
  punched = 0;
  populated = 0;
  readonly told: Told[] = [];

  constructor(arenaMib: number) {
    this.presentChunks = (arenaMib * MIB) / CHUNK_BYTES;
  }

  figure(): number {
    return this.presentChunks;
  }

  tell(domain: string, notice: BackendNotice): void {
    if (notice.notice === 'budget') this.told.push({ domain, ...notice });
  }

  setPressured(): void {}

  punch(chunks: number): void {
    this.punched += chunks;
    this.isSettled = false;
  }

  populate(chunks: number): void {
    this.populated += chunks;
    this.isSettled = false;
  }
}

/** 32 MiB in each of two budgets; `arenaMib` in the arena, all of it free; nothing loose but `looseMib`. And a guest of Xen. */
function machine({ arenaMib = 0, looseMib = 0, awaited = [] as string[] }) {
  const host = new Host(arenaMib);
  const { told } = host;
  const clock = new VirtualClock(1_000_000);
  const mover = new BudgetMover({
    config: checkConfig({
      policy: { step_cap_mib: 16 },
      domains: ['a', 'b', 'guest'].map((name) => ({
        name,
        floor_mib: 16,
        ceiling_mib: 128,
        budget_mib: 32,
        ...(name === 'guest' ? { guest: { floor_mib: 128, ceiling_mib: 1024 } } : {}),
      })),
    }),
    awaited,
    total: bytes((96 + arenaMib + looseMib) * MIB),
    host,
    claimedBytes: () => 0,
    clock,
    onOutcome: () => {},
  });
  const report = (domain: string, limitMib: number, wantedMib: number, pressured = false): void =>
    mover.report(domain, {
      op: 'report',
      usedBytes: Math.min(limitMib, wantedMib) * MIB,
      limitBytes: limitMib * MIB,
      wantedBytes: wantedMib * MIB,
      programs: 1,
      pressured,
    });
  return { host, mover, told, report, clock };
}

test('a report that was sent before a growth arrived does not undo it', () => {
  const { mover, told, report } = machine({ looseMib: 16 });
  report('a', 32, 48, true);
  assert.deepEqual(
    told.map(({ domain, changeBytes }) => [domain, changeBytes]),
    [['a', 16 * MIB]],
  );
  report('a', 32, 48); // crossed the notice on its way
  assert.equal(mover.limitOf('a'), 48 * MIB);
  report('b', 32, 48, true);
  assert.ok(
    told.slice(1).every(({ changeBytes }) => changeBytes < 0),
    'there is nothing left to give',
  );
  mover.moved('a', { op: 'moved', id: told[0]!.id, changeBytes: 0, limitBytes: 32 * MIB });
  assert.equal(mover.limitOf('a'), 32 * MIB, 'it was refused, and is known to be');
});

test('a growth that the domain never heard of stays on its account when it goes', () => {
  const { mover, report } = machine({ looseMib: 16 });
  report('a', 32, 48, true);
  mover.forget('a');
  assert.equal(mover.limitOf('a'), 48 * MIB);
  mover.joined('a'); // another agent, which has heard of nothing
  report('a', 32, 32);
  assert.equal(mover.limitOf('a'), 32 * MIB, 'until it says where it stands');
});

test('memory on its way into the arena is granted to nobody', () => {
  const { host, mover, told, report } = machine({ looseMib: 64 });
  mover.tick();
  assert.ok(host.populated > 0);
  report('a', 32, 48, true);
  mover.tick();
  assert.deepEqual(told, []);
  host.presentChunks += host.populated;
  host.isSettled = true;
  mover.tick();
  assert.equal(told.length, 1);
});

test('a punch that found less than it was to is asked for again', () => {
  const { host, mover, told, report } = machine({ arenaMib: 16 });
  report('a', 32, 48, true);
  assert.equal(host.punched, 8);
  mover.tick();
  assert.equal(host.punched, 8, 'one at a time');
  host.presentChunks -= 3; // the others were in use by then
  host.isSettled = true;
  mover.tick();
  assert.ok(host.punched > 8);
  host.presentChunks = 0;
  host.isSettled = true;
  mover.tick();
  assert.equal(told.at(-1)!.changeBytes, 16 * MIB);
});

test('what a guest of Xen holds is none of it: nobody is held back by it, and it is asked for nothing', () => {
  const { mover, told, report } = machine({ looseMib: 16, awaited: ['guest'] });
  mover.joined('guest', 512 * MIB);
  report('guest', 512, 1024, true);
  assert.deepEqual([mover.limitOf('guest'), mover.limits], [undefined, { a: 32 * MIB, b: 32 * MIB }]);
  report('b', 32, 16);
  report('a', 32, 48, true);
  assert.deepEqual(
    told.map(({ domain, changeBytes }) => [domain, changeBytes]),
    [['a', 16 * MIB]],
  );
  assert.equal(mover.isStuck('guest'), false);
});

test('an agent that claims to hold more than there is counts with all that there is', () => {
  const { mover, report } = machine({ looseMib: 16 });
  mover.joined('a', 2 ** 50);
  assert.equal(mover.limitOf('a'), 112 * MIB);
  report('b', 2 ** 30, 16);
  assert.equal(mover.limitOf('b'), 112 * MIB);
});
