/** Each safety mechanism switched off in turn: its scenario, which holds with it, must then fail, or it guards nothing. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { STATE, stateOf } from '../../src/control/layout.ts';
import { Ledger } from '../../src/control/ledger.ts';
import { POPPED, RingConsumer, RingProducer } from '../../src/control/ring.ts';
import { ChunkBooks } from '../../src/coordination/chunk-books.ts';
import { Donors } from '../../src/coordination/donors.ts';
import { LedgerAudit } from '../../src/coordination/ledger-audit.ts';
import { RequestTable } from '../../src/coordination/request-table.ts';
import { ChunkKeeper } from '../../src/platforms/arena/chunk-keeper.ts';
import { simulate } from './runner.ts';
import { ALL_SAFEGUARDS, type Safeguards, type Scenario } from './scenario.ts';
import { scenarioNamed } from './scenarios.ts';
import type { Invariant } from './violation.ts';

interface Sabotage {
  readonly what: string;
  readonly scenario: Scenario;
  readonly off?: keyof Safeguards;
  /** Takes the mechanism out of the product's code. */
  readonly patch?: (t: TestContext) => void;
  readonly breaks: readonly Invariant[];
}

const SEEDS = 20;

const SABOTAGES: readonly Sabotage[] = [
  { what: 'scrubbing', scenario: scenarioNamed('quiet'), off: 'scrubbing', breaks: ['scrubbed'] },
  {
    what: 'scrubbing by the back end of what comes from a domain',
    scenario: scenarioNamed('quiet'),
    patch: (t) => {
      const { takeBack } = ChunkBooks.prototype;
      t.mock.method(ChunkBooks.prototype, 'takeBack', function (this: ChunkBooks, chunk: number) {
        takeBack.call(this, chunk, true);
      });
    },
    breaks: ['scrubbed'],
  },
  {
    what: 'private books over the ledger of a domain',
    scenario: scenarioNamed('hostile ledger'),
    off: 'privateBooks',
    breaks: ['one owner', 'conservation', 'no crash'],
  },
  {
    what: 'one open request for each session',
    scenario: scenarioNamed('everything at once'),
    patch: (t) => void t.mock.method(RequestTable.prototype, 'find', () => -1),
    breaks: ['nothing left behind'],
  },
  {
    what: 'promises that are withdrawn when the request fails',
    scenario: scenarioNamed('stuck'),
    patch: (t) => {
      const { move } = Ledger.prototype;
      t.mock.method(Ledger.prototype, 'move', function (this: Ledger, chunk: number, from: number, to: number) {
        if (stateOf(from) === STATE.promised && stateOf(to) === STATE.returning) return false;
        return move.call(this, chunk, from, to);
      });
    },
    breaks: ['nothing left behind'],
  },
  { what: 'ceilings', scenario: scenarioNamed('quiet'), off: 'ceilings', breaks: ['ceiling'] },
  { what: 'floors', scenario: scenarioNamed('at the floor'), off: 'floors', breaks: ['floor'] },
  {
    what: 'the back-off of a stuck donor',
    scenario: scenarioNamed('stuck'),
    patch: (t) => {
      const { noteMisses } = Donors.prototype;
      t.mock.method(Donors.prototype, 'noteMisses', function (this: Donors, now: number) {
        const missed = noteMisses.call(this, now);
        this.stuckUntilMicros.fill(0);
        return missed;
      });
    },
    breaks: ['left alone'],
  },
  {
    what: 'donors that free before recipients grow',
    scenario: scenarioNamed('moving budgets'),
    off: 'confirmedOnly',
    breaks: ['budgets'],
  },
  {
    what: 'token bucket and step cap',
    scenario: scenarioNamed('moving budgets'),
    off: 'brakes',
    breaks: ['budgets'],
  },
  {
    what: 'proof of death before a session is taken back',
    scenario: scenarioNamed('stopped and continued after its time limit'),
    off: 'proofOfDeath',
    breaks: ['one owner', 'scrubbed'],
  },
  {
    what: 'the look round of those who sleep',
    scenario: scenarioNamed('lost doorbell'),
    off: 'looksRound',
    breaks: ['progress'],
  },
  {
    what: 'bounds of the rings',
    scenario: scenarioNamed('hostile ring tail'),
    patch: (t) => {
      const { pop } = RingConsumer.prototype;
      t.mock.method(RingConsumer.prototype, 'pop', function (this: RingConsumer) {
        const popped = pop.call(this);
        if (popped !== POPPED.violation) return popped;
        this.resync();
        return POPPED.nothing;
      });
    },
    breaks: ['violation reported'],
  },
  {
    what: 'ring indices that are published again',
    scenario: scenarioNamed('hostile ring'),
    patch: (t) => {
      t.mock.method(RingProducer.prototype, 'heal', () => true);
      t.mock.method(RingConsumer.prototype, 'heal', () => true);
    },
    breaks: ['progress'],
  },
  {
    what: 'taking up what a dead front end left half done',
    scenario: scenarioNamed('dead in mid-move'),
    patch: (t) => {
      t.mock.method(ChunkKeeper.prototype, 'takeUp', () => {});
      t.mock.method(ChunkKeeper.prototype, 'mend', () => 0);
    },
    breaks: ['nothing left behind', 'scrubbed', 'floor'],
  },
  {
    what: 'taking up what a dead back end left half done',
    scenario: scenarioNamed('torn write'),
    patch: (t) => {
      t.mock.method(LedgerAudit.prototype, 'takeUp', () => {});
      t.mock.method(LedgerAudit.prototype, 'beat', () => {});
    },
    breaks: ['one owner', 'conservation', 'no crash', 'nothing left behind'],
  },
  {
    what: 'the look into the books before a claim',
    scenario: scenarioNamed('hostile ledger'),
    off: 'claimsByBooks',
    breaks: ['one owner'],
  },
  {
    what: 'the look into the books before a scrub',
    scenario: scenarioNamed('hostile ledger'),
    off: 'scrubsByBooks',
    breaks: ['one owner'],
  },
];

for (const { what, scenario, off, patch, breaks } of SABOTAGES) {
  test(`sabotage: without ${what}, "${scenario.name}" fails`, (t) => {
    const safeguards = off ? { ...ALL_SAFEGUARDS, [off]: false } : ALL_SAFEGUARDS;
    patch?.(t);
    const seen: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = simulate(scenario, seed, scenario.steps, safeguards);
      if (violation) seen.push(violation.message);
      if (!violation || !breaks.includes(violation.invariant)) continue;
      t.mock.restoreAll();
      const whole = simulate(scenario, seed, scenario.steps);
      assert.equal(whole.violation, undefined, whole.report);
      return;
    }
    assert.fail(`nothing of the kind in ${SEEDS} seeds, only: ${seen.join('; ') || 'nothing'}`);
  });
}

test('sabotage: every switch is thrown once', () => {
  const thrown = SABOTAGES.flatMap(({ off }) => off ?? []).sort();
  assert.deepEqual(thrown, Object.keys(ALL_SAFEGUARDS).sort());
});
