/** Floors with real agents and real memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BorrowRefused } from '../../src/index.ts';
import { MIB } from '../../src/units.ts';
import { LocalMachine } from './local-machine.ts';

test('a donor above its floor is asked, and one at its floor is not', async (t) => {
  const machine = new LocalMachine({
    total_mib: 128,
    mode: 'split', // no reserve and no offers: what each domain holds is what it has borrowed
    domains: [
      // 16 MiB private and 32 MiB of the arena: that much nobody takes from it.
      { name: 'guarded', floor_mib: 48, ceiling_mib: 128, budget_mib: 16 },
      { name: 'taker', floor_mib: 16, ceiling_mib: 128, budget_mib: 16 },
    ],
    mqtt: { embedded: { enabled: false } },
  });
  t.after(() => machine.stop());
  await machine.start();
  const guarded = await machine.application('guarded');
  let asked = 0;
  for (let lease = 0; lease < 5; lease++) {
    await guarded.borrow(8 * MIB, {
      revocable: true,
      onReclaim: (request) => {
        asked++;
        request.lease.release();
      },
    });
  }
  const taker = await machine.application('taker');
  // 40 of the 96 MiB are the guarded domain's; the taker has the others.
  await taker.borrow(56 * MIB, { deadline: 5000 });
  assert.equal(asked, 0, 'what is free is taken first');

  await taker.borrow(8 * MIB, { deadline: 5000 });
  assert.equal(asked, 1, 'it held 8 MiB above its floor');

  // Figures are published a few times a second.
  let before = 0;
  while (before === 0) before = (await machine.status()).figures.revocations ?? 0;
  await assert.rejects(taker.borrow(2 * MIB, { deadline: 200 }), ({ refusal }: BorrowRefused) => {
    return refusal === 'pool-empty';
  });
  assert.equal(asked, 1);
  assert.equal((await machine.status()).figures.revocations, before, 'the back end did not even ask');
});
