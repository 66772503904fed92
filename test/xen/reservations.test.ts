/**
 * Reservations of guests, moved by the agents of the board for programs that know nothing of memtide; what moved is what Xen
 * counts. There is less for both guests together than they were booted with.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { MIB } from '../../src/units.ts';
import { BoardAgents, until } from './board-agents.ts';
import { GUESTS, type Guest, inGuest, ON_BOARD, xlMib } from './guests.ts';

/** Of the board's configuration: what both guests and the pool may hold, and what the pool should hold. */
const TOTAL_MIB = 480;
const POOL_MIB = 32;
/** Xen counts in pages, xl in whole MiB. */
const ROUNDING_MIB = 2;

describe('reservations moved by the agents', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const recipient = GUESTS[1]!;
  let agents: BoardAgents;
  before(async () => {
    agents = await BoardAgents.shared();
  });

  test('guests at ease give up what they do not need until the pool is filled; the back end says what Xen says', async () => {
    await until('the pool is filled', async () => (await agents.xen()).pool_bytes >= (POOL_MIB - 4) * MIB);
    assert.equal((await agents.xen()).asked_by, 'hypercalls');
    // A guest may just be on its way to another size.
    await until('the back end counts as the toolstack does', async () => {
      for (const { name, held_bytes } of (await agents.xen()).guests)
        if (Math.abs(held_bytes / MIB - (await xlMib({ name }))) > ROUNDING_MIB) return false;
      return true;
    });
    for (const { name } of GUESTS)
      assert.ok((await xlMib({ name })) < 256, `${name} holds ${await xlMib({ name })} MiB`);
  });

  test('the kernels of the guests do not look for large pages unasked meanwhile', async () => {
    const names = ['vm/watermark_boost_factor', 'vm/compaction_proactiveness', 'net/core/high_order_alloc_disable'];
    for (const guest of GUESTS) {
      const set = await inGuest(guest, `cd /proc/sys; cat ${names.join(' ')}`);
      assert.deepEqual(set.trim().split('\n'), ['0', '0', '1'], guest.name);
    }
  });

  test('mode hypervisor: an unmodified program finds memory that came ahead of it; dom0 lets nobody grow', async (t) => {
    const [before, held] = [await agents.guest(recipient.name), await xlMib(recipient)];
    t.diagnostic(`emulated: ${await load(recipient, 8, 8)}`);
    const after = await agents.guest(recipient.name);
    assert.equal(after.let_grow, before.let_grow, 'it grew by itself');
    assert.ok((await peakMib(recipient)) > held, `it holds more than ${held} MiB`);
    assert.equal(after.overstated, 0);
  });

  test('room for another guest is collected in Xen’s free heap', async () => {
    const { ok, collected } = await agents.command('room', { mib: 60, wait_s: 100, hold_s: 1 });
    assert.deepEqual([ok, collected], [true, true]);
    const held = (await agents.xen()).guests.reduce((all, { held_bytes }) => all + held_bytes, 0);
    assert.ok(held <= (TOTAL_MIB - 60) * MIB, `the guests hold ${held / MIB} MiB`);
  });

  test('mode split: it may not grow by itself, and is let grow', async (t) => {
    assert.equal((await agents.command('mode', { mode: 'split' })).ok, true);
    try {
      await until('entitlements are taken back', async () => {
        const { held_bytes, entitlement_bytes } = await agents.guest(recipient.name);
        return entitlement_bytes <= held_bytes + MIB;
      });
      const before = await agents.xen();
      t.diagnostic(`emulated: ${await load(recipient, 8, 4)}`);
      const now = await agents.guest(recipient.name);
      const then = before.guests.find(({ name }) => name === recipient.name)!;
      assert.ok(now.let_grow > then.let_grow, 'it was let grow');
    } finally {
      assert.equal((await agents.command('mode', { mode: 'hypervisor' })).ok, true);
    }
  });
});

/**
 * A program that holds more and more, `stepMib` a second, in the end `beyondMib` more than the guest has available at its start:
 * beside the code of what runs there.
 * @returns what its memory was like, for people.
 */
async function load(guest: Guest, beyondMib: number, stepMib: number): Promise<string> {
  const said = await inGuest(
    guest,
    `stalls() { awk -v kind=$1 '$1 == kind { sub("total=", "", $5); print int($5 / 1000) }' /proc/pressure/memory; }
     held=/sys/devices/system/xen_memory/xen_memory0/info/current_kb
     some=$(stalls some); full=$(stalls full); from=$(cat $held); : >/tmp/peak
     available=$(awk '$1 == "MemAvailable:" { all = $2 } $1 == "Mapped:" { code = $2 } END { print int((all - code) / 1024) }' /proc/meminfo)
     steps=$(((available + ${beyondMib} + ${stepMib} - 1) / ${stepMib})); mib=$((steps * ${stepMib}))
     (for i in $(seq $steps); do head -c ${stepMib}M /dev/zero; cat $held >>/tmp/peak; sleep 1; done) | tail -c \${mib}M | wc -c >/tmp/bytes
     [ $(cat /tmp/bytes) -eq $((mib * 1048576)) ] || { echo "it was killed at $(tail -n 1 /tmp/peak) KiB"; exit 1; }
     echo "$mib MiB, ${beyondMib} more than was available in $((from / 1024)) MiB; $(($(sort -n /tmp/peak | tail -n 1) / 1024)) MiB at most; stalled $(($(stalls some) - some)) ms (some), $(($(stalls full) - full)) ms (full)"`,
  );
  return said.trim();
}

const peakMib = async (guest: Guest): Promise<number> =>
  Number(await inGuest(guest, 'sort -n /tmp/peak | tail -n 1')) / 1024;
