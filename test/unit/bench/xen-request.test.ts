/** A request that fails leaves nothing behind that its case has begun. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { XenBench, XenCase } from '../../../src/evaluation/bench/xen/case.ts';
import { qmemmanLike } from '../../../src/evaluation/bench/xen/cases/qmemman-like.ts';
import { touchOnly } from '../../../src/evaluation/bench/xen/cases/touch-only.ts';
import { atRequest, serve } from '../../../src/evaluation/bench/xen/request.ts';
import { MIB, mebibytes } from '../../../src/units.ts';

/** @param refused what dom0 does not do. */
function bench(refused?: string) {
  const called: string[] = [];
  const stand = {
    driver: { current: () => 64 * MIB },
    dom0: {
      call: async (name: string) => {
        called.push(name);
        if (name === refused) throw new Error(`${name} is refused`);
      },
    },
    resize: async () => {},
    holds: async () => Promise.reject(new Error('the memory does not come')),
  };
  return { called, bench: stand as unknown as XenBench };
}
const request = (each: XenCase) => ({ each, held: mebibytes(64), by: mebibytes(2) });
const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;

test('memory that does not come: the case is ended before the run is', async () => {
  const { called, bench: board } = bench();
  const before = timers();
  const of = request(qmemmanLike);
  await assert.rejects(
    atRequest(board, of, () => serve(board, of)),
    /does not come/,
  );
  assert.equal(called.at(-1), 'qmemmanStop');
  assert.equal(timers(), before);
});

test('what could not be prepared is ended, too, and a case that had not begun has nothing to end', async () => {
  for (const each of [qmemmanLike, touchOnly]) {
    const { bench: board } = bench('setCap');
    await assert.rejects(
      atRequest(board, request(each), () => assert.fail('it was not prepared')),
      /setCap is refused/,
    );
  }
});
