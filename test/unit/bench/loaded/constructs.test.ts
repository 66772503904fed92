import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constructsToMeasure } from '../../../../src/evaluation/bench/loaded/constructs.ts';

const DEFAULT = { policy: 'fifo', fifoPriority: 10, nice: -15, spinMicros: 0 } as const;
const names = (...args: Parameters<typeof constructsToMeasure>): string[] =>
  constructsToMeasure(...args).map(({ name, isDefault }) => `${name}${isDefault ? ' *' : ''}`);

test('a quick run has what the decision is between, and the default among it', () => {
  assert.deepEqual(names(DEFAULT, [0, 1], true), ['none', 'nice -15', 'fifo 10', 'fifo 10, nice -15 *']);
});

test('a full run has pinning and spinning too', () => {
  const all = constructsToMeasure(DEFAULT, [2, 5], false);
  const apart = all.find(({ name }) => name === 'a CPU each')!;
  assert.deepEqual([apart.backend, apart.frontend], [{ cpu: 2 }, { cpu: 5 }]);
  const together = all.find(({ name }) => name === 'fifo 10, nice -15, one CPU')!;
  assert.deepEqual(together.backend, { ...DEFAULT, cpu: 2 });
  assert.deepEqual(together.frontend, together.backend);
});

test('a machine with one CPU has nothing to keep apart', () => {
  assert.deepEqual(
    constructsToMeasure(DEFAULT, [0], false).filter(({ backend, frontend }) => backend.cpu !== frontend.cpu),
    [],
  );
});

test('a default that is one of the plain ones is measured once', () => {
  assert.deepEqual(names({ nice: -15, policy: 'other' }, [0, 1], true), ['none', 'fifo', 'nice -15 *']);
});
