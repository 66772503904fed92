/** How the death of the other side is told, whatever it dies of. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { wordsOf } from '../../src/native/mapping.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { mapGrants } from '../../src/xen/map-grants.ts';
import { drain } from './guest-bell.ts';
import { domidOf, GUESTS, GuestProgram, ON_BOARD } from './guests.ts';

describe('death', { ...ON_BOARD, timeout: 300_000 }, () => {
  test('a program in the guest that is killed: dom0 hears of it, and its byte is cleared', async () => {
    const doomed = await GuestProgram.shared();
    const domid = await domidOf(GUESTS[0]!);
    const pages = mapGrants(domid, await doomed.call('grant', 1, 1));
    const words = wordsOf(pages).fill(-1);
    const channels = new EventChannels();
    const port = channels.bindInterdomain(domid, await doomed.call('offerChannel'));
    drain(channels);
    await doomed.call('notifyOfEnd', 8);
    doomed.call('die').catch(() => {});
    await doomed.gone;
    let heard = 0;
    for (let tries = 0; heard === 0 && tries < 600; tries++) heard = channels.wait(100);
    assert.equal(heard, 1);
    assert.equal(channels.ports[0], port);
    assert.equal(words[2], 0xffff_ff00 | 0, 'byte 8 and no other');
    pages.close();
    channels.close();
  });
});
