/** Xen's word that its free heap runs low: dom0 binds it, and hears it when a guest grows into the last of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes, MIB } from '../../src/units.ts';
import { HypercallBooks } from '../../src/xen/hypercall-books.ts';
import { HYPERCALL, Hypercalls } from '../../src/xen/hypercalls.ts';
import { LowMemorySignal } from '../../src/xen/low-memory.ts';
import { XEN_PAGE_BYTES } from '../../src/xen/page-size.ts';
import { domidOf, GUESTS, GuestProgram, ON_BOARD } from './guests.ts';

const BOOT_MIB = 256;
const STEP_MIB = 16;
/** Below every mark that Xen sets by itself. */
const LEFT_BYTES = 8 * MIB;
const XENMEM_CLAIM_PAGES = 24;

describe('Xen’s low-memory signal', { ...ON_BOARD, timeout: 300_000 }, () => {
  test('is heard when a guest grows into a free heap that is nearly promised away, and not before', async () => {
    const [calls, books, signal] = [new Hypercalls(), new HypercallBooks(), new LowMemorySignal()];
    const domid = await domidOf(GUESTS[0]!);
    const program = await GuestProgram.shared();
    await program.call('openReservation', 96, BOOT_MIB, BOOT_MIB);
    const cap = (await books.domain(domid))!.capBytes!;
    // A claim is what Xen keeps for a domain: nothing has to be filled for the heap to be short.
    const claim = (total: number): ReturnType<Hypercalls['call']> => {
      calls.clear();
      calls.argument.setBigUint64(8, BigInt(total / XEN_PAGE_BYTES), true);
      calls.argument.setUint16(24, domid, true);
      return calls.call(HYPERCALL.memory, XENMEM_CLAIM_PAGES);
    };
    try {
      assert.equal((await program.call('shrink', STEP_MIB)).ok, true);
      signal.take();
      assert.equal(signal.take(), false);
      const [free, { heldBytes }] = [await books.freeBytes(), (await books.domain(domid))!];
      const claimed = heldBytes + free - LEFT_BYTES;
      await books.setCap(domid, bytes(claimed));
      assert.deepEqual(claim(claimed), { ok: true, value: 0 });
      assert.ok((await books.freeBytes()) <= LEFT_BYTES, 'what is claimed is not free');
      assert.equal((await program.call('grow', STEP_MIB / 2)).ok, true);
      let heard = false;
      for (let tries = 0; !heard && tries < 300; tries++) {
        heard = signal.take();
        if (!heard) await sleep(100);
      }
      assert.equal(heard, true);
      assert.equal(signal.heard > 0, true);
    } finally {
      claim(0);
      await books.setCap(domid, bytes(cap));
      await program.call('grow', BOOT_MIB - (await program.call('reservation')).limit / MIB);
      signal.close();
      books.close();
      calls.close();
    }
  });

  test('one program has it at a time: another is told so, and looks at the heap only', () => {
    const signal = new LowMemorySignal();
    assert.throws(() => new LowMemorySignal(), /another program has it/);
    signal.close();
    new LowMemorySignal().close();
  });
});
