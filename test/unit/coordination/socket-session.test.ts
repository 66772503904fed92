/** One session over the socket, on a control file in memory: no agent, no arena. */
import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { controlFileInMemory } from '../../../src/control/control-file.ts';
import { STATE, wordOf } from '../../../src/control/layout.ts';
import { Ledger } from '../../../src/control/ledger.ts';
import { RequestSlot } from '../../../src/coordination/request-slot.ts';
import type { LeaseReply } from '../../../src/coordination/session-protocol.ts';
import { MAX_LEASES, SocketSession } from '../../../src/coordination/socket-session.ts';
import { ChunkSpace } from '../../../src/platforms/arena/chunk-space.ts';
import { KIB } from '../../../src/units.ts';

const CHUNKS = 2048;
const GEOMETRY = { chunkCount: CHUNKS, chunkShift: 18, blockShift: 16 };
const BORROW = { op: 'borrow', bytes: 64 * KIB, deadline_ms: 0, revocable: false, contiguous: false } as const;

function session(): { borrower: SocketSession; ledger: Ledger } {
  const file = controlFileInMemory(GEOMETRY);
  const ledger = new Ledger(file, GEOMETRY);
  for (let chunk = 0; chunk < CHUNKS; chunk++) ledger.set(chunk, wordOf(STATE.offered));
  const pipe = new net.Socket();
  let last = 0;
  const borrower = new SocketSession({
    space: new ChunkSpace(file, GEOMETRY, 1),
    slot: new RequestSlot(file, 1, pipe, () => {}),
    pipe,
    arenaPath: '/arena',
    ring: () => {},
    nextLease: () => ++last,
    totals: { served: 0, refused: 0, reclaimNotices: 0 },
  });
  return { borrower, ledger };
}

test('a session holds so many leases and no more, until it releases one', () => {
  const { borrower } = session();
  const leases = Array.from({ length: MAX_LEASES }, () => borrower.borrow(BORROW) as LeaseReply);
  assert.ok(leases.every(({ ok }) => ok));
  const refused = borrower.borrow(BORROW);
  assert.ok(!(refused instanceof Promise) && !refused.ok);
  assert.match(refused.error, /at most 4096 leases/);
  assert.equal(borrower.leasedBytes, MAX_LEASES * 64 * KIB);
  assert.equal(borrower.release(leases[7]!.lease), 64 * KIB);
  assert.equal((borrower.borrow(BORROW) as LeaseReply).ok, true);
  borrower.close();
});

test('goodbye leaves nothing leased', () => {
  const { borrower, ledger } = session();
  for (let count = 1; count < 10; count++)
    void borrower.borrow({ ...BORROW, bytes: count * 100 * KIB, revocable: count % 2 === 0 });
  borrower.releaseAll();
  assert.equal(borrower.leases, 0);
  assert.equal(ledger.count(STATE.leased) + ledger.count(STATE.leasedRevocable), 0);
  borrower.close();
});
