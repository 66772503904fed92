/** Scheduler constructs of the real Xen and of the kernels of dom0 and a guest: in force once applied, gone once undone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { XenConstructs } from '../../src/xen/constructs.ts';
import { pinning, rateLimit, weight } from '../../src/xen/credit2.ts';
import { eventChannelCpu } from '../../src/xen/kernel-constructs.ts';
import { GUESTS, GuestProgram, ON_BOARD } from './guests.ts';

describe('scheduler constructs', { ...ON_BOARD, timeout: 300_000 }, () => {
  test('in dom0: rate limit, weight, pinning, and the CPU of event channels', async () => {
    const { name } = GUESTS[0]!;
    const wanted = [rateLimit(100), weight(name, 512), pinning(name, '0'), eventChannelCpu(1)];
    const before = await Promise.all(wanted.map((construct) => construct.read()));
    const constructs = new XenConstructs();
    await constructs.apply(wanted);
    assert.deepEqual(
      constructs.reports.map(({ construct, in_force, refused }) => [construct, in_force, refused]),
      [
        ['rate limit of credit2', '100 µs', undefined],
        [`weight of ${name}`, '512', undefined],
        [`CPUs of ${name}`, '0', undefined],
        ['CPU of event channels', '1', undefined],
      ],
    );
    await constructs.undo();
    const after = await Promise.all(wanted.slice(0, 3).map((construct) => construct.read()));
    assert.deepEqual(after, before.slice(0, 3));
  });

  test('in a guest: the kernel’s balloon thread runs in real time, and as before afterwards', async () => {
    const program = await GuestProgram.shared();
    assert.deepEqual(await program.call('balloonThread', 10), { before: 'other', during: 'fifo 10', after: 'other' });
  });
});
