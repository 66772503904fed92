/** Xen's counts by hypercall and by the toolstack: both say the same, and a cap that is set is the one that Xen holds to. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytes, MIB, mebibytes } from '../../src/units.ts';
import { HypercallBooks } from '../../src/xen/hypercall-books.ts';
import { XlBooks } from '../../src/xen/xl-books.ts';
import { domidOf, GUESTS, inDom0, ON_BOARD } from './guests.ts';

/** xl counts in whole MiB, and guests take a page now and then. */
const ROUNDING_BYTES = 2 * MIB;

describe('Xen’s own counts', { ...ON_BOARD, timeout: 300_000 }, () => {
  const writeTarget = async (domid: number, kib: number): Promise<void> => {
    await inDom0('xenstore-write', `/local/domain/${domid}/memory/target`, String(kib));
  };
  const near = (actual: number, expected: number, what: string): void =>
    assert.ok(Math.abs(actual - expected) <= ROUNDING_BYTES, `${what}: ${actual / MIB}, not ${expected / MIB} MiB`);

  test('hypercalls and xl agree on the free heap and on what a guest holds', async (t) => {
    const [calls, xl] = [new HypercallBooks(), new XlBooks({ writeTarget })];
    const domid = await domidOf(GUESTS[0]!);
    near(await calls.freeBytes(), await xl.freeBytes(), 'free');
    const [byCall, byXl] = [await calls.domain(domid), await xl.domain(domid)];
    near(byCall!.heldBytes, byXl!.heldBytes, 'held');
    const time = async (what: string, ask: () => Promise<unknown>): Promise<void> => {
      const before = performance.now();
      for (let round = 0; round < 5; round++) await ask();
      t.diagnostic(`emulated: ${what}: ${((performance.now() - before) / 5).toFixed(2)} ms`);
    };
    await time('what a guest holds and its cap, by hypercall', () => calls.domain(domid));
    await time('what a guest holds, by xl', () => xl.domain(domid));
    calls.close();
  });

  test('a cap that is set by hypercall, or by xl, is the one that Xen tells', async () => {
    const [calls, xl] = [new HypercallBooks(), new XlBooks({ writeTarget })];
    const domid = await domidOf(GUESTS[0]!);
    const before = (await calls.domain(domid))!;
    const lower = mebibytes(Math.floor(before.heldBytes / MIB) - 8);
    try {
      assert.equal(await calls.setCap(domid, lower), true);
      assert.equal((await calls.domain(domid))!.capBytes, lower);
      assert.equal((await calls.domain(domid))!.heldBytes, before.heldBytes, 'it keeps what it holds');
      await xl.setCap(domid, mebibytes(256));
      near((await calls.domain(domid))!.capBytes!, mebibytes(256), 'the cap that xl set');
    } finally {
      await calls.setCap(domid, bytes(before.capBytes!));
    }
    assert.equal((await calls.domain(domid))!.capBytes, before.capBytes);
    calls.close();
  });

  test('a domain that is not there: told as absent, by both', async () => {
    const [calls, xl] = [new HypercallBooks(), new XlBooks({ writeTarget })];
    assert.equal(await calls.domain(999), undefined);
    assert.equal(await calls.setCap(999, mebibytes(64)), false);
    assert.equal(await xl.domain(999), undefined);
    assert.equal(await xl.setCap(999, mebibytes(64)), false);
    calls.close();
  });
});
