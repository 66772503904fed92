/** dom0's fast plane that lends, with the pages of a guest that writes into them whatever it likes. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { type MappedControlFile, writeIdentity } from '../../src/control/control-file.ts';
import { LEDGER, STATE, stateOf, wordOf } from '../../src/control/layout.ts';
import { makeFifo } from '../../src/coordination/fifo-file.ts';
import { lenderLoop } from '../../src/coordination/lender-loop.ts';
import type { PlaneMessage } from '../../src/coordination/plane-thread.ts';
import { mapPrivate } from '../../src/native/mapping.ts';
import { chunkGrantBytes } from '../../src/xen/chunk-grants.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { grantControlFile } from '../../src/xen/grant-control-file.ts';
import { underXen } from '../fakes/xen-process.ts';

const GEOMETRY = { chunkCount: 4, chunkShift: 18, blockShift: 16 };
const CHUNK_BYTES = 2 ** GEOMETRY.chunkShift;

underXen(import.meta.url, () => {
  test('a guest that writes other sizes into its control file moves nothing that dom0 scrubs', () => {
    const bell = path.join(process.env.FAKE_XEN_DIR!, 'lender.bell');
    makeFifo(bell);
    const { file, pages } = grantControlFile(0, GEOMETRY, chunkGrantBytes(GEOMETRY));
    const { words } = file as MappedControlFile;
    writeIdentity(words, { ...GEOMETRY, chunkShift: 23 }, 0, 1); // sizes that fit together
    const scrubbed: Array<readonly [offset: number, length: number]> = [];
    const said: PlaneMessage[] = [];
    const loop = lenderLoop(
      {
        role: 'lender',
        bell,
        geometry: GEOMETRY,
        scheduling: {},
        split: false,
        stuckBackoffMicros: 0,
      },
      {
        set: () => {},
        violations: new Int32Array(4),
        timed: () => (offset, length) => scrubbed.push([offset, length]),
        say: (message) => said.push(message),
      },
    );
    loop.obey({
      kind: 'guest',
      id: 0,
      domid: 0,
      remotePort: new EventChannels().bindUnbound(0),
      shared: { address: pages.address, byteLength: pages.byteLength },
      arena: mapPrivate(GEOMETRY.chunkCount * CHUNK_BYTES, { what: 'arena' }),
      owners: new SharedArrayBuffer(4 * GEOMETRY.chunkCount),
      limits: { floorChunks: 0, ceilingChunks: 4, offerChunks: 1 },
    });
    assert.deepEqual(said, [{ guest: 0 }]);
    loop.obey({ kind: 'granted', id: 0, chunk: 3 });
    loop.poll();
    assert.equal(stateOf(words[LEDGER + 3]!), STATE.offered);
    Atomics.store(words, LEDGER + 3, wordOf(STATE.returning)); // used, and given back
    loop.beat();
    while (loop.poll() === 0);
    assert.equal(
      scrubbed.reduce((sum, [, length]) => sum + length, 0),
      CHUNK_BYTES,
    );
    for (const [offset, length] of scrubbed) {
      assert.ok(offset >= 3 * CHUNK_BYTES && offset + length <= 4 * CHUNK_BYTES, `${offset} and ${length} bytes`);
    }
  });
});
