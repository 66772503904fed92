/** The fast plane of a guest that borrows from dom0: the front end's, over granted pages and an event channel. */
import { systemClock } from '../clock.ts';
import { MappedControlFile, readIdentity } from '../control/control-file.ts';
import {
  BACK_BELL,
  FRONT_BELL,
  SESSION,
  SESSION_ACTIVE,
  SESSION_SLOTS,
  SESSION_WORDS,
  SESSIONS,
} from '../control/layout.ts';
import { ChunkGrants } from '../xen/chunk-grants.ts';
import { DomainWaiter } from '../xen/domain-waiter.ts';
import { EventRinger } from '../xen/event-bell.ts';
import { GrantedArena } from '../xen/granted-arena.ts';
import { FrontendPlane } from './frontend-plane.ts';
import type { PlaneLoop, PlaneTools } from './plane-loop.ts';
import type { GuestPlaneStart } from './plane-thread.ts';
import { DomainFiles } from './run-files.ts';
import { SessionWaker } from './session-waker.ts';
import { SOURCE_BACKEND } from './sources.ts';

export function guestLoop(begin: GuestPlaneStart, { set, timed }: PlaneTools): PlaneLoop {
  const { bell, domainDirectory, evtchnFd, pairId, port, shared } = begin;
  const file = new MappedControlFile(shared);
  const geometry = readIdentity(file.words, 'granted control file');
  const arena = new GrantedArena(new ChunkGrants(file.words, geometry), geometry);
  arena.follow();
  const waiter = new DomainWaiter(bell, evtchnFd);
  waiter.channels.adopt(port);
  waiter.add({ words: file.words, at: FRONT_BELL, port, source: SOURCE_BACKEND });
  const backend = new EventRinger(waiter.channels, { words: file.words, at: BACK_BELL, port });
  const applications = new SessionWaker(file.words, file.address, new DomainFiles(domainDirectory));
  const plane = new FrontendPlane(file, geometry, {
    clock: systemClock,
    scrub: timed((offset, length) => arena.scrub(offset, length)),
    wakeSession: (session) => applications.wake(session),
    ringBackend: () => backend.ring(pairId),
    asksLate: true,
  });
  return {
    waiter,
    poll: () => plane.poll(waiter.pending),
    beat() {
      // Ahead of need, and off the way of any request. What dom0 wants back, applications have mapped too.
      if (!arena.follow()) return;
      for (let session = 1; session < SESSION_SLOTS; session++) {
        const state = Atomics.load(file.words, SESSIONS + session * SESSION_WORDS + SESSION.state);
        if (state === SESSION_ACTIVE) applications.wake(session);
      }
    },
    obey(command) {
      if (command.kind !== 'given') return;
      const { session, id, chunks, status, decideMicros, releaseMicros } = command;
      plane.given(session, id, chunks, status, decideMicros, releaseMicros);
    },
    publish() {
      set('requests', plane.stats.requests);
      set('served', plane.stats.given);
      set('revocations', plane.stats.revoked);
      set('violations', plane.stats.violations);
      set('scrubbedBytes', plane.stats.scrubbedBytes);
      set('presentChunks', arena.mappedChunks);
      set('rungByDomains', waiter.rungByDomains);
    },
    close: () => arena.close(),
  };
}
