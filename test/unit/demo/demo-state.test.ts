import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyReport, changeRate, type DemoState, newState, type ReportMessage } from '../../../src/demo/demo-state.ts';
import { MIB, micros } from '../../../src/units.ts';
import { alloc, pool, psi, served } from './messages.ts';
import { burst } from './records.ts';

const after = (...messages: ReportMessage[]): DemoState =>
  messages.reduce(applyReport, newState(['infotainment', 'cluster']));

describe('what the view knows', () => {
  it('is nothing before the first message, and never 0', () => {
    const state = after();
    assert.equal(state.poolBytes, undefined);
    assert.equal(state.psi, undefined);
    assert.equal(state.domains.cluster?.leasedBytes, undefined);
  });

  it('takes the tiers from the domains and the pool from the back end', () => {
    const state = after(alloc('cluster', 0, 100, 8, 20), pool(0, 300), psi(1.5, 0.5));
    assert.equal(state.domains.cluster?.reserveBytes, 8 * MIB);
    assert.equal(state.poolBytes, 300 * MIB);
    assert.deepEqual(state.psi, { somePercent: 1.5, fullPercent: 0.5, scope: 'machine' });
  });

  it('is not moved by strangers on the broker', () => {
    assert.deepEqual(Object.keys(after(alloc('stranger', 0, 1, 1, 1)).domains), ['infotainment', 'cluster']);
  });

  it('tells the rate of change over the last second', () => {
    const rising = after(
      alloc('cluster', 0, 500, 0, 0),
      alloc('cluster', 2e6, 100, 0, 0),
      alloc('cluster', 2.5e6, 150, 0, 0),
    );
    assert.equal(changeRate(rising.domains.cluster!), 100 * MIB);
    assert.equal(changeRate(after(alloc('cluster', 0, 5, 0, 0)).domains.cluster!), undefined);
  });

  it('keeps bursts in the order of their requests, however late their records come', () => {
    const state = after(served(burst({ atMicros: micros(9e6) })), served(burst({ atMicros: micros(2e6) })));
    assert.deepEqual(
      state.bursts.map(({ atMicros }) => atMicros),
      [2e6, 9e6],
    );
  });

  it('counts what was served, what waited for others, and what was refused', () => {
    const { probe: _, ...noProbe } = burst({
      outcome: 'refused',
      refusal: 'deadline',
      tierBytes: { reserve: 0, pool: 0, peer: 0 },
    });
    const state = after(
      served(burst()),
      served(burst({ tierBytes: { reserve: 0, pool: 0, peer: 4 * MIB } })),
      served(noProbe),
    );
    assert.deepEqual([state.served, state.servedAlone, state.refused, state.movedBytes], [2, 1, 1, 4 * MIB]);
    assert.equal(state.bursts.filter(({ refusal }) => refusal === 'deadline').length, 1);
  });
});
