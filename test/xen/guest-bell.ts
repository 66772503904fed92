/** The other side of the doorbell contract, in a guest: its bells lie on a page that it grants. */
import { wordsOf } from '../../src/native/mapping.ts';
import { EventRinger, EventWaiter } from '../../src/xen/event-bell.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { mapGrants } from '../../src/xen/map-grants.ts';
import type { Peer } from '../contract/doorbell-contract.ts';
import { DOM0_BELL, GUEST_BELL } from './guest-program.ts';
import { domidOf, GUESTS, GuestProgram } from './guests.ts';

export async function startInGuest(): Promise<Peer> {
  const program = await GuestProgram.shared();
  const references = await program.call('grant', 1, 0);
  const domid = await domidOf(GUESTS[0]!);
  const words = wordsOf(mapGrants(domid, references)).fill(0);
  const channels = new EventChannels();
  const port = channels.bindInterdomain(domid, await program.call('offerChannel'));
  return {
    waiter: new EventWaiter(channels, [{ words, at: DOM0_BELL, port }]),
    openRinger: () => new EventRinger(channels, { words, at: GUEST_BELL, port }),
    ended: program.call('answer'),
  };
}

/** A channel that was just bound rings once: takes that. */
export function drain(channels: EventChannels): void {
  for (let count = channels.wait(50); count > 0; count = channels.wait(50)) channels.unmask(count);
}
