/** What every control file must be: the same little-endian bytes, as words and as halfwords, atomic in both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControlFile } from '../../src/control/contracts.ts';
import { readIdentity } from '../../src/control/control-file.ts';
import { blockTable, controlBytes, type Geometry, LEDGER, MAX_CHUNKS } from '../../src/control/layout.ts';
import { viewOf } from '../../src/native/libc.ts';

const GEOMETRIES: readonly Geometry[] = [
  { chunkCount: 1, chunkShift: 18, blockShift: 16 },
  { chunkCount: 640, chunkShift: 21, blockShift: 16 },
  { chunkCount: MAX_CHUNKS, chunkShift: 18, blockShift: 16 },
];

/** The number of the domain that `make` writes into the identity. */
export const DOMAIN_ID = 5;

/** @param make a new one, of arena 0. */
export function controlFileContract(make: (geometry: Geometry) => ControlFile | Promise<ControlFile>): void {
  for (const geometry of GEOMETRIES) {
    test(`${geometry.chunkCount} chunks: says what it is, and holds all of its layout, zeroed`, async () => {
      const file = await make(geometry);
      assert.deepEqual(readIdentity(file.words, 'under test'), { ...geometry, domainId: DOMAIN_ID, arenaId: 0 });
      assert.equal(file.byteLength, controlBytes(geometry));
      assert.equal(file.words.length * 4, file.byteLength);
      assert.equal(file.halfwords.length * 2, file.byteLength);
      assert.ok(file.words.subarray(LEDGER).every((word) => word === 0));
    });
  }

  test('words and halfwords are the same bytes, low half first', async () => {
    const file = await make(GEOMETRIES[1]!);
    Atomics.store(file.words, LEDGER, 0x1234_5678);
    assert.deepEqual([...file.halfwords.subarray(LEDGER * 2, LEDGER * 2 + 2)], [0x5678, 0x1234]);
    Atomics.store(file.halfwords, LEDGER * 2 + 1, 0xffff);
    assert.equal(Atomics.load(file.words, LEDGER), 0xffff_5678 | 0);
  });

  test('compare-and-swap answers with what was there, at either width', async () => {
    const file = await make(GEOMETRIES[1]!);
    assert.equal(Atomics.compareExchange(file.words, LEDGER + 1, 0, 7), 0);
    assert.equal(Atomics.compareExchange(file.words, LEDGER + 1, 0, 8), 7);
    const block = blockTable(GEOMETRIES[1]!) + 1;
    assert.equal(Atomics.compareExchange(file.halfwords, block, 0, 40_000), 0);
    assert.equal(Atomics.compareExchange(file.halfwords, block, 0, 1), 40_000);
    assert.deepEqual([file.halfwords[block - 1], file.halfwords[block + 1]], [0, 0], 'neighbours are left alone');
  });

  test('an address, where there is one, is that of byte 0', async () => {
    const file = await make(GEOMETRIES[1]!);
    if (file.address === 0) return;
    const again = new Int32Array(viewOf(file.address, file.byteLength));
    Atomics.store(file.words, LEDGER + 3, 99);
    assert.equal(Atomics.load(again, LEDGER + 3), 99);
  });
}
