/** What is counted of a request's way, as far as it can be seen without Xen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countTouches, medianOf } from '../../../src/evaluation/bench/xen/domain-counts.ts';
import { memset } from '../../../src/native/libc.ts';
import { mapPrivate, unmapPrivate } from '../../../src/native/mapping.ts';
import { pageSizeBytes } from '../../../src/native/page-size.ts';
import { MIB } from '../../../src/units.ts';

test('first touches fault and are zeroed, by whichever pages; memory that is resident costs neither', () => {
  const region = mapPrivate(16 * MIB, { what: 'pages to count' });
  const first = countTouches(pageSizeBytes()!);
  memset(region.address, 1, region.byteLength);
  const { faults, zeroed_bytes } = first();
  assert.ok(faults > 0);
  assert.ok(zeroed_bytes >= 16 * MIB, `${zeroed_bytes} bytes`);
  const again = countTouches(pageSizeBytes()!);
  memset(region.address, 2, region.byteLength);
  assert.ok(again().faults < faults);
  unmapPrivate(region);
});

test('a median is taken of each figure by itself; of an even number, the lower', () => {
  assert.deepEqual(medianOf([{ a: 9, b: 1 }]), { a: 9, b: 1 });
  assert.deepEqual(
    medianOf([
      { a: 9, b: 1 },
      { a: 1, b: 3 },
      { a: 5, b: 2 },
    ]),
    { a: 5, b: 2 },
  );
  assert.deepEqual(medianOf([{ a: 4 }, { a: 2 }]), { a: 2 });
});
