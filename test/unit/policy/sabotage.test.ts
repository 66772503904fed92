/** Each safety mechanism switched off in turn: the invariant that it guards must then break, or it guards nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALL_SAFEGUARDS, type PlanSnapshot, type Safeguards } from '../../../src/policy/snapshot.ts';
import { type Returns, runTick } from './machine.ts';
import { domain, snapshot } from './scenario.ts';

interface Sabotage {
  readonly off: keyof Safeguards;
  readonly breaks: string;
  readonly snapshot: PlanSnapshot;
  readonly returns?: Returns;
}

const burst = domain('burst', { pressured: true, wanted: 140 });

const SABOTAGES: readonly Sabotage[] = [
  { off: 'shrinkFirst', breaks: 'burst grows before its bytes are free', snapshot: snapshot([burst, domain('d')], 0) },
  {
    off: 'confirmedOnly',
    breaks: 'burst was given memory that nobody had freed',
    snapshot: snapshot([burst, domain('d')], 0),
    returns: { d: 0.5 },
  },
  {
    off: 'floors',
    breaks: 'd is shrunk below its floor',
    snapshot: snapshot([burst, domain('d', { used: 10, floor: 90 })], 0),
  },
  {
    off: 'ceilings',
    breaks: 'burst grows above its ceiling',
    snapshot: snapshot([{ ...burst, ceiling: 110 }], 100),
  },
  { off: 'keepUse', breaks: 'd is shrunk below its use', snapshot: snapshot([burst, domain('d', { used: 95 })], 0) },
  {
    off: 'stepCaps',
    breaks: 'burst is moved by more than a step',
    snapshot: snapshot([burst], 100, { largestStep: 16 }),
  },
  { off: 'tokens', breaks: 'burst grows beyond its tokens', snapshot: snapshot([{ ...burst, tokens: 7 }], 100) },
  {
    off: 'stuckDonorsOut',
    breaks: 'd is stuck and is asked',
    snapshot: snapshot([burst, domain('d', { stuck: true })], 0),
  },
  {
    off: 'worthwhileOnly',
    breaks: 'burst is moved by dust',
    snapshot: snapshot([{ ...burst, wanted: 102 }], 100),
  },
  {
    off: 'doubtPool',
    breaks: 'burst was given memory that nobody had freed',
    snapshot: { ...snapshot([burst], 0), pool: 40 },
  },
];

describe('a safeguard that is switched off', () => {
  for (const { off, breaks, snapshot: before, returns } of SABOTAGES) {
    it(`${off}: ${breaks}`, () => {
      assert.deepEqual(runTick(before, returns).violations, [], 'with all safeguards nothing breaks');
      const { violations } = runTick(before, returns, { ...ALL_SAFEGUARDS, [off]: false });
      assert.ok(violations.includes(breaks), `found only: ${violations.join('; ') || 'nothing'}`);
    });
  }

  it('is covered here, each of them', () => {
    assert.deepEqual(SABOTAGES.map(({ off }) => off).sort(), Object.keys(ALL_SAFEGUARDS).sort());
  });
});
