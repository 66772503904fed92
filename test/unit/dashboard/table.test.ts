import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Table } from '../../../src/dashboard/page/data/table.ts';

function tableOf(rows: ReadonlyArray<readonly [time: number, value: number]>): Table<'value'> {
  const table = new Table(['value'], 'value');
  for (const [time, value] of rows) table.append(time, { value });
  return table;
}

describe('a table of readings', () => {
  it('is in the order of time, whatever the order of arrival, and loses no row', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(500), fc.nat(100)), { maxLength: 400 }), fc.nat(400), (rows, half) => {
        const table = tableOf(rows.slice(0, half));
        assert.equal(table.length, Math.min(half, rows.length)); // read between: what comes later is merged in
        for (const [time, value] of rows.slice(half)) table.append(time, { value });
        const stored = [...table.times].map((time, row) => [time, table.column('value')[row]!] as const);
        const sorted = (pairs: ReadonlyArray<readonly [number, number]>) =>
          [...pairs].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        assert.deepEqual(sorted(stored), sorted(rows));
        assert.deepEqual(
          [...table.times],
          [...table.times].sort((a, b) => a - b),
        );
      }),
    );
  });

  it('shows the least and the greatest value of a window, however many rows there are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 200, maxLength: 3000 }),
        fc.integer({ min: 1, max: 20 }),
        fc.tuple(fc.nat(2999), fc.nat(2999)),
        (values, buckets, [a, b]) => {
          const table = tableOf(values.map((value, time) => [time, value]));
          const [from, to] = [Math.min(a, b), Math.max(a, b)].map((time) => Math.min(time, values.length - 1)) as [
            number,
            number,
          ];
          const rows = table.rowsToShow(from, to, buckets);
          assert.ok(rows.length <= 2 * buckets + 3, `${rows.length} rows`);
          assert.deepEqual(
            rows,
            [...new Set(rows)].sort((x, y) => x - y),
          );
          const inView = values.slice(from, to + 1);
          const shown = rows.map((row) => values[row]!);
          assert.ok(Math.max(...shown) >= Math.max(...inView));
          assert.ok(Math.min(...shown) <= Math.min(...inView));
        },
      ),
    );
  });

  it('finds the reading that held at a time', () => {
    const table = tableOf([
      [10, 1],
      [20, 2],
    ]);
    assert.deepEqual(
      [9, 10, 19, 20, 99].map((time) => table.rowAt(time)),
      [-1, 0, 0, 1, 1],
    );
  });

  it('has no value where none was read, and never shows one in its place', () => {
    const table = new Table(['value', 'other'], 'value');
    table.append(1, { other: 5 });
    table.append(2, { value: 3 });
    assert.ok(Number.isNaN(table.column('value')[0]));
    assert.equal(table.column('value')[1], 3);
  });
});
