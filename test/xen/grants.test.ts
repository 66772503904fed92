/** Granted pages and event channels between dom0 and a guest: what is shared, what it costs. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { before, describe, test } from 'node:test';
import { wordsOf } from '../../src/native/mapping.ts';
import { EventChannels, VIRQ_ENOMEM } from '../../src/xen/event-channels.ts';
import { grantPages } from '../../src/xen/grant-pages.ts';
import { mapGrants } from '../../src/xen/map-grants.ts';
import { XEN_PAGE_BYTES } from '../../src/xen/page-size.ts';
import { drain } from './guest-bell.ts';
import { domidOf, GUESTS, GuestProgram, ON_BOARD, xlMib } from './guests.ts';

const PAGE_WORDS = XEN_PAGE_BYTES / 4;
const PAGES = 256;

describe('grants and event channels', { ...ON_BOARD, timeout: 300_000 }, () => {
  const guest = GUESTS[0]!;
  let program: GuestProgram;
  let domid: number;
  before(async () => {
    program = await GuestProgram.shared();
    domid = await domidOf(guest);
  });

  test('pages of the guest, mapped in dom0: one memory, and no domain shrinks', async () => {
    const [before, dom0Before] = [await xlMib(guest), dom0Kib()];
    const references = await program.call('grant', PAGES, 1000);
    const pages = mapGrants(domid, references);
    const words = wordsOf(pages);
    assert.ok(words.every((word, at) => word === 1000 + at));
    assert.equal(await xlMib(guest), before);
    assert.equal(dom0Kib(), dom0Before);
    Atomics.store(words, PAGES * PAGE_WORDS - 1, -5);
    assert.equal(await program.call('grantWord', PAGES * PAGE_WORDS - 1), -5);
    pages.close();
    assert.ok(
      words.every((word) => word === 0),
      'views live on, over ordinary memory',
    );
    words[0] = 77;
    assert.equal(await program.call('grantWord', 0), 1000, 'which is no longer the guest’s');
    await program.call('takeGrantBack');
    assert.equal(await xlMib(guest), before);
  });

  test('pages of dom0, mapped in the guest', async () => {
    const pages = grantPages(domid, PAGES);
    const words = wordsOf(pages);
    let sum = 0;
    for (let at = 0; at < words.length; at++) {
      words[at] = at * 3;
      sum = (sum + at * 3) | 0;
    }
    assert.equal(await program.call('map', pages.references), sum);
    await program.call('unmap');
    pages.close();
  });

  test('a reference that was never granted is refused in words', () => {
    assert.throws(() => mapGrants(domid, [60_000]), /map pages of another domain.*granted to this domain/s);
  });

  test('more pages than the limit: the error names the limit and how to raise it', () => {
    const limit = '/sys/module/xen_gntalloc/parameters/limit';
    const before = fs.readFileSync(limit, 'utf8');
    fs.writeFileSync(limit, '8');
    try {
      assert.throws(() => grantPages(domid, 16), /ENOSPC[\s\S]*xen_gntalloc\/parameters\/limit/);
    } finally {
      fs.writeFileSync(limit, before);
    }
  });

  test('an event channel rings across, is masked until it is unmasked, and an unbound port is refused', async () => {
    const channels = new EventChannels();
    const remote = await program.call('offerChannel');
    const port = channels.bindInterdomain(domid, remote);
    assert.throws(() => channels.bindInterdomain(domid, remote), /bind an event channel/);
    drain(channels);
    assert.equal(channels.wait(0), 0);
    channels.notify(port); // into the guest: nothing comes back
    assert.equal(channels.wait(20), 0);
    channels.unbind(port);
    assert.throws(() => channels.notify(port), /notify an event channel/);
    channels.close();
  });

  test('the virtual interrupt of low memory is dom0’s, once', () => {
    const [first, second] = [new EventChannels(), new EventChannels()];
    assert.ok(first.bindVirq(VIRQ_ENOMEM) > 0);
    assert.throws(() => second.bindVirq(VIRQ_ENOMEM), /another program has it/);
    first.close();
    second.close();
  });
});

const dom0Kib = (): number =>
  Number(fs.readFileSync('/sys/devices/system/xen_memory/xen_memory0/info/current_kb', 'utf8'));
