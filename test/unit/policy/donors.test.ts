import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseDonors, type DonorTable } from '../../../src/policy/donors.ts';

interface Row {
  idle?: number;
  revocable?: number;
  aboveFloor?: number;
  stuckUntil?: number;
  pressured?: boolean;
}

function tableOf(rows: readonly Row[]): DonorTable {
  return {
    count: rows.length,
    idleChunks: Int32Array.from(rows, (row) => row.idle ?? 0),
    revocableChunks: Int32Array.from(rows, (row) => row.revocable ?? 0),
    aboveFloorChunks: Int32Array.from(rows, (row) => row.aboveFloor ?? 1000),
    stuckUntilMicros: Float64Array.from(rows, (row) => row.stuckUntil ?? 0),
    pressured: Uint8Array.from(rows, (row) => (row.pressured ? 1 : 0)),
  };
}

const NOW = 5_000;
const REQUESTER: Row = {};

/** Domain 0 asks; what the others are to give. */
function taken(need: number, rows: readonly Row[]): number[] {
  const take = new Int32Array(rows.length + 1).fill(77);
  const total = chooseDonors(tableOf([REQUESTER, ...rows]), 0, need, NOW, take);
  assert.equal(
    total,
    take.reduce((sum, chunks) => sum + chunks, 0),
  );
  return [...take.subarray(1)];
}

describe('chooseDonors', () => {
  it('disturbs one donor where one has enough', () => {
    assert.deepEqual(taken(8, [{ idle: 5 }, { idle: 9 }, { idle: 7 }]), [0, 8, 0]);
  });

  it('goes on with the next largest where the largest has too little', () => {
    assert.deepEqual(taken(14, [{ idle: 5 }, { idle: 9 }, { idle: 7 }]), [0, 9, 5]);
  });

  it('empties all idle reserves before it revokes a lease', () => {
    assert.deepEqual(taken(6, [{ idle: 1, revocable: 50 }, { idle: 4 }]), [2, 4]);
  });

  it('revokes a lease of a donor at ease before it takes the reserve of one under pressure', () => {
    assert.deepEqual(taken(6, [{ idle: 100, pressured: true }, { revocable: 6 }]), [0, 6]);
  });

  it('asks a donor under pressure when nobody else has any', () => {
    assert.deepEqual(taken(6, [{ idle: 4, revocable: 4, pressured: true }, { idle: 1 }]), [5, 1]);
  });

  it('leaves a stuck donor alone until its back-off is over', () => {
    assert.deepEqual(taken(3, [{ idle: 9, stuckUntil: NOW + 1 }, { idle: 2 }]), [0, 2]);
    assert.deepEqual(taken(3, [{ idle: 9, stuckUntil: NOW }, { idle: 2 }]), [3, 0]);
  });

  it('takes nobody below its floor, counting reserve and leases together', () => {
    assert.deepEqual(taken(50, [{ idle: 10, revocable: 10, aboveFloor: 12 }]), [12]);
  });

  it('levels the donors out over a series of requests', () => {
    const rows = [{ idle: 30 }, { idle: 30 }, { idle: 30 }];
    const table = tableOf([REQUESTER, ...rows]);
    const take = new Int32Array(4);
    for (let request = 0; request < 6; request++) {
      chooseDonors(table, 0, 10, NOW, take);
      for (let donor = 1; donor < 4; donor++) table.idleChunks[donor] = table.idleChunks[donor]! - take[donor]!;
    }
    assert.deepEqual([...table.idleChunks.subarray(1)], [10, 10, 10]);
  });

  it('gives nothing for a need of nothing, and clears what an earlier choice left', () => {
    assert.deepEqual(taken(0, [{ idle: 5 }]), [0]);
    assert.deepEqual(taken(-3, [{ idle: 5 }]), [0]);
  });
});

describe('chooseDonors, for all tables', () => {
  const row = fc.record({
    idle: fc.nat(64),
    revocable: fc.nat(64),
    aboveFloor: fc.nat(96),
    stuckUntil: fc.constantFrom(0, NOW, NOW + 1),
    pressured: fc.boolean(),
  });
  const tables = fc.tuple(fc.array(row, { minLength: 1, maxLength: 12 }), fc.nat(11), fc.nat(400));

  it('takes what is needed or all there is, from nobody more than it may give', () => {
    fc.assert(
      fc.property(tables, ([rows, pick, need]) => {
        const requester = pick % rows.length;
        const take = new Int32Array(rows.length);
        const total = chooseDonors(tableOf(rows), requester, need, NOW, take);
        const mayGive = rows.map((donor, index) =>
          index === requester || donor.stuckUntil > NOW ? 0 : Math.min(donor.idle + donor.revocable, donor.aboveFloor),
        );
        assert.equal(total, Math.min(need, sum(mayGive)));
        assert.equal(total, sum([...take]));
        for (const [donor, chunks] of take.entries()) assert.ok(chunks >= 0 && chunks <= mayGive[donor]!);
      }),
    );
  });

  it('never uses a later pass while an earlier one has chunks left', () => {
    fc.assert(
      fc.property(tables, ([rows, pick, need]) => {
        const requester = pick % rows.length;
        const take = new Int32Array(rows.length);
        chooseDonors(tableOf(rows), requester, need, NOW, take);
        // What each pass may still give, and what it was used for, in the order of the passes.
        const passes = [false, true].flatMap((pressured) =>
          [false, true].map((revoking) => {
            const donors = [...rows.entries()].filter(
              ([index, donor]) => index !== requester && donor.stuckUntil <= NOW && donor.pressured === pressured,
            );
            const idle = (donor: (typeof rows)[number]) => Math.min(donor.idle, donor.aboveFloor);
            const both = (donor: (typeof rows)[number]) => Math.min(donor.idle + donor.revocable, donor.aboveFloor);
            const most = (donor: (typeof rows)[number]) => (revoking ? both(donor) - idle(donor) : idle(donor));
            const used = (index: number, donor: (typeof rows)[number]) =>
              revoking ? Math.max(0, take[index]! - idle(donor)) : Math.min(take[index]!, idle(donor));
            return {
              left: sum(donors.map(([index, donor]) => most(donor) - used(index, donor))),
              used: sum(donors.map(([index, donor]) => used(index, donor))),
            };
          }),
        );
        for (const [order, { left }] of passes.entries()) {
          if (left > 0) for (const later of passes.slice(order + 1)) assert.equal(later.used, 0);
        }
      }),
    );
  });
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
