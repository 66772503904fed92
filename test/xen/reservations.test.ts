/**
 * Reservations of guests, moved by the agents of the board for programs that know nothing of memtide; what moved is what Xen
 * counts. There is less for both guests together than they were booted with.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MIB } from '../../src/units.ts';
import { BoardAgents, until } from './board-agents.ts';
import { GUESTS, type Guest, inDom0, inGuest, ON_BOARD } from './guests.ts';

const POOL_MIB = 32;
/** Xen counts in pages, xl in whole MiB. */
const ROUNDING_MIB = 2;

describe('reservations moved by the agents', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const [donor, recipient] = [GUESTS[0]!, GUESTS[1]!];
  let agents: BoardAgents;
  before(async () => {
    agents = await BoardAgents.start();
  });
  after(async () => {
    await agents?.stop();
  });

  test('guests at ease give up what they do not need until the pool is filled; the back end says what Xen says', async () => {
    await until('the pool is filled', async () => (await agents.xen()).pool_bytes >= (POOL_MIB - 4) * MIB);
    const xen = await agents.xen();
    assert.equal(xen.asked_by, 'hypercalls');
    for (const { name, held_bytes } of xen.guests) {
      const counted = await xlMib(name);
      assert.ok(Math.abs(held_bytes / MIB - counted) <= ROUNDING_MIB, `${name}: ${held_bytes / MIB}, ${counted} MiB`);
      assert.ok(counted < 256, `${name} holds ${counted} MiB`);
    }
  });

  test('mode hypervisor: an unmodified program finds memory that came ahead of it; dom0 lets nobody grow', async (t) => {
    const [before, held] = [await agents.guest(recipient.name), await xlMib(recipient.name)];
    t.diagnostic(`emulated: ${await load(recipient, 80)}`);
    const after = await agents.guest(recipient.name);
    assert.equal(after.let_grow, before.let_grow, 'it grew by itself');
    assert.ok((await peakMib(recipient)) > held, `it holds more than ${held} MiB`);
    assert.equal(after.overstated, 0);
  });

  test('mode split: it may not grow by itself, and is let grow once the other has given', async (t) => {
    assert.equal((await agents.command('mode', { mode: 'split' })).ok, true);
    await until('entitlements are taken back', async () => {
      const { held_bytes, entitlement_bytes } = await agents.guest(recipient.name);
      return entitlement_bytes <= held_bytes + MIB;
    });
    const before = await agents.xen();
    t.diagnostic(`emulated: ${await load(recipient, 110)}`);
    const [donorNow, now] = [await agents.guest(donor.name), await agents.guest(recipient.name)];
    const then = before.guests.find(({ name }) => name === recipient.name)!;
    assert.ok(now.let_grow > then.let_grow, 'it was let grow');
    t.diagnostic(`asked to give: ${donor.name} ${donorNow.asked_to_shrink} times`);
    assert.equal((await agents.command('mode', { mode: 'hypervisor' })).ok, true);
  });

  test('room for another guest is collected in Xen’s free heap', async () => {
    const { ok, collected } = await agents.command('room', { mib: 60, wait_s: 100, hold_s: 1 });
    assert.deepEqual([ok, collected], [true, true]);
    const xen = await agents.xen();
    assert.ok(xen.free_bytes >= 60 * MIB);
  });
});

/** A program that holds more and more, `mib` in all, 4 MiB at a time. @returns what its memory was like, for people. */
async function load(guest: Guest, mib: number): Promise<string> {
  const said = await inGuest(
    guest,
    `stalls() { awk -v kind=$1 '$1 == kind { sub("total=", "", $5); print int($5 / 1000) }' /proc/pressure/memory; }
     held=/sys/devices/system/xen_memory/xen_memory0/info/current_kb
     some=$(stalls some); full=$(stalls full); from=$(cat $held); : >/tmp/peak
     (for i in $(seq ${mib / 4}); do head -c 4M /dev/zero; cat $held >>/tmp/peak; sleep 0.5; done) | tail -c ${mib}M | wc -c >/tmp/bytes
     [ $(cat /tmp/bytes) -eq ${mib * MIB} ] || exit 1
     echo "${mib} MiB beside what was held: $((from / 1024)) MiB before, $(($(sort -n /tmp/peak | tail -n 1) / 1024)) MiB at most; stalled $(($(stalls some) - some)) ms (some), $(($(stalls full) - full)) ms (full)"`,
  );
  return said.trim();
}

const peakMib = async (guest: Guest): Promise<number> =>
  Number(await inGuest(guest, 'sort -n /tmp/peak | tail -n 1')) / 1024;

async function xlMib(name: string): Promise<number> {
  const row = (await inDom0('xl', 'list', name)).trim().split('\n').at(-1)!;
  return Number(row.trim().split(/\s+/)[2]);
}
