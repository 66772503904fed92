import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwedMemory } from '../../../src/xen/owed-memory.ts';

function setUp() {
  const mapped = new Set<number>();
  const ended: number[] = [];
  const owed = new OwedMemory({ inUse: (references) => references.some((each) => mapped.has(each)) });
  const withdraw = (first: number, now: number): void =>
    owed.add({ references: [first, first + 1], end: () => ended.push(first) }, now);
  return { mapped, ended, owed, withdraw };
}

test('a grant is ended once nobody has it mapped, and not before', () => {
  const { mapped, ended, owed, withdraw } = setUp();
  mapped.add(21);
  for (const first of [10, 20, 30]) withdraw(first, 0);
  assert.equal(owed.settle(8), 2);
  assert.deepEqual([ended, owed.count], [[10, 30], 1]);
  mapped.clear();
  assert.equal(owed.settle(8), 1);
  assert.deepEqual([ended, owed.count], [[10, 30, 20], 0]);
});

test('only so many are ended at once', () => {
  const { owed, withdraw } = setUp();
  for (const first of [10, 20, 30]) withdraw(first, 0);
  assert.equal(owed.settle(2), 2);
  assert.equal(owed.count, 1);
});

test('what is not let go of is owed from the moment it was withdrawn', () => {
  const { mapped, owed, withdraw } = setUp();
  mapped.add(10).add(20);
  withdraw(10, 1000);
  withdraw(20, 4000);
  owed.settle(8);
  assert.deepEqual([owed.owedFor(5000, 6000), owed.owedFor(5000, 6001), owed.owedFor(5000, 9001)], [0, 1, 2]);
});

test('one that cannot be ended, or of which Xen tells nothing, keeps no other from its end', () => {
  const ended: number[] = [];
  const owed = new OwedMemory({
    inUse: ([first]) => {
      if (first === 10) throw new Error('status -3');
      return false;
    },
  });
  const end = (first: number) => (): void => {
    ended.push(first);
    if (first === 20) throw new Error('EINVAL');
  };
  for (const first of [10, 20, 30]) owed.add({ references: [first, first + 1], end: end(first) }, 0);
  assert.throws(() => owed.settle(8), /status -3/);
  assert.deepEqual([ended, owed.count], [[20, 30], 1]);
  owed.add({ references: [20, 21], end: end(20) }, 0);
  assert.throws(() => owed.settle(8), /status -3/);
  owed.add({ references: [20, 21], end: end(20) }, 0);
  assert.throws(() => owed.endAll(), /EINVAL/);
  assert.deepEqual([ended, owed.count], [[20, 30, 20, 10, 20], 0]);
});
