/** What a guest's move came to is Xen's count; what the guest says ends the waiting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestAccount } from '../../../src/agent/guest-account.ts';
import { MIB } from '../../../src/units.ts';

const SECOND = 1_000_000;

function account(heldMib = 200): GuestAccount {
  const guest = new GuestAccount();
  guest.counted(heldMib * MIB, 0);
  return guest;
}

test('a move is over when Xen has counted it, whether or not the guest has said so', () => {
  const guest = account();
  guest.begin(1, -32 * MIB, 10 * SECOND);
  assert.equal(guest.counted(180 * MIB, SECOND), undefined);
  assert.deepEqual(guest.counted(168 * MIB, 2 * SECOND), {
    changeBytes: -32 * MIB,
    movedBytes: 32 * MIB,
    overstated: false,
  });
  assert.equal(guest.open, undefined);
});

test('a guest that says it has given what Xen does not have is found out at the count after the next', () => {
  const guest = account();
  guest.begin(1, -32 * MIB, 10 * SECOND);
  assert.equal(guest.answered(1, -32 * MIB, 168 * MIB), true);
  assert.equal(guest.counted(200 * MIB, SECOND), undefined, 'its last pages may be on their way');
  assert.deepEqual(guest.counted(200 * MIB, SECOND), { changeBytes: -32 * MIB, movedBytes: 0, overstated: true });
});

test('a guest that says honestly that it could not is not waited for once Xen has it there, and has overstated nothing', () => {
  const guest = account();
  guest.begin(1, -32 * MIB, 10 * SECOND);
  guest.answered(1, -8 * MIB, 192 * MIB);
  assert.equal(guest.counted(196 * MIB, SECOND), undefined, 'its last pages are on their way');
  const settled = guest.counted(192 * MIB, SECOND);
  assert.deepEqual(settled, { changeBytes: -32 * MIB, movedBytes: 8 * MIB, overstated: false });
});

test('a guest that had grown by itself before it heard moved less by Xen’s count, and has overstated nothing', () => {
  const guest = account();
  guest.begin(1, -32 * MIB, 10 * SECOND);
  guest.answered(1, -32 * MIB, 180 * MIB); // from 212
  const settled = guest.counted(180 * MIB, SECOND);
  assert.deepEqual(settled, { changeBytes: -32 * MIB, movedBytes: 20 * MIB, overstated: false });
});

test('a guest that says nothing is given up at its deadline, with what it gave', () => {
  const guest = account();
  guest.begin(1, -32 * MIB, 10 * SECOND);
  assert.equal(guest.counted(190 * MIB, 9 * SECOND), undefined);
  assert.equal(guest.counted(190 * MIB, 10 * SECOND)?.movedBytes, 10 * MIB);
});

test('growth under way is what may still come, and nothing once it is over', () => {
  const guest = account();
  guest.begin(1, 20 * MIB, 10 * SECOND);
  assert.equal(guest.growthUnderWay, 20 * MIB);
  guest.counted(212 * MIB, SECOND);
  assert.equal(guest.growthUnderWay, 8 * MIB);
  guest.counted(220 * MIB, SECOND);
  assert.equal(guest.growthUnderWay, 0);
});

test('a move is told at once, again each second until it is answered, and an answer counts once', () => {
  const guest = account();
  guest.begin(7, -4 * MIB, 60 * SECOND);
  assert.equal(guest.due(0)?.id, 7);
  assert.equal(guest.due(0.9 * SECOND), undefined);
  assert.equal(guest.due(SECOND)?.id, 7);
  assert.equal(guest.answered(6, -4 * MIB, 196 * MIB), false);
  assert.equal(guest.answered(7, Number.NaN, 0), true);
  assert.equal(guest.answered(7, -4 * MIB, 196 * MIB), false);
  assert.equal(guest.due(9 * SECOND), undefined);
});
