/** The control file over grants: a guest's pages, mapped in dom0, by the contract of all control files. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { LEDGER } from '../../src/control/layout.ts';
import { mapControlFile } from '../../src/xen/grant-control-file.ts';
import { controlFileContract, DOMAIN_ID } from '../contract/control-file-contract.ts';
import { domidOf, GUESTS, GuestProgram, ON_BOARD } from './guests.ts';

describe('control file: granted pages', { ...ON_BOARD, timeout: 300_000 }, () => {
  let program: GuestProgram;
  let domid: number;
  before(async () => {
    program = await GuestProgram.shared();
    domid = await domidOf(GUESTS[0]!);
  });

  controlFileContract(async (geometry) => {
    const references = await program.call('grantControlFile', geometry);
    return mapControlFile(domid, references, geometry, DOMAIN_ID, 0).file;
  });

  test('both domains see one file, and a compare-and-swap of either is seen by the other', async () => {
    const geometry = { chunkCount: 64, chunkShift: 21, blockShift: 16 };
    const references = await program.call('grantControlFile', geometry);
    const { file } = mapControlFile(domid, references, geometry, 7, 99);
    assert.deepEqual(await program.call('readIdentity'), { ...geometry, domainId: 7, arenaId: 99 });
    assert.equal(Atomics.compareExchange(file.words, LEDGER + 5, 0, 41), 0);
    assert.equal(await program.call('exchangeControlWord', LEDGER + 5, 42), 41);
    assert.equal(Atomics.load(file.words, LEDGER + 5), 42);
  });
});
