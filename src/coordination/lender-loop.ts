/**
 * The fast plane of dom0 that lends to guests. Each guest has a part of the arena that is granted to it and to nobody else,
 * so each has a back end's plane of its own, with books of its own; memory goes from one part to another by the main
 * thread, in the background (grant-lender.ts).
 */
import { systemClock } from '../clock.ts';
import { MappedControlFile } from '../control/control-file.ts';
import { BACK_BELL, BELL_PENDING_WORDS, FRONT_BELL } from '../control/layout.ts';
import { OWNER } from '../control/owner-table.ts';
import { errorMessage } from '../errors.ts';
import { memset } from '../native/libc.ts';
import { ChunkGrants } from '../xen/chunk-grants.ts';
import { DomainWaiter } from '../xen/domain-waiter.ts';
import { EventRinger } from '../xen/event-bell.ts';
import { BackendPlane } from './backend-plane.ts';
import { ChunkBooks } from './chunk-books.ts';
import { IDLE_WAIT_MILLIS } from './frontend-plane.ts';
import type { PlaneLoop, PlaneTools } from './plane-loop.ts';
import type { LenderPlaneStart, LentGuest } from './plane-thread.ts';
import { SOURCE_BACKEND } from './sources.ts';

/** A plane has one pair: its guest. */
const PAIR = 0;
const SUMS = ['requests', 'served', 'refused', 'revocations', 'donorMisses', 'violations', 'scrubbedBytes'] as const;

interface Lent {
  readonly port: number;
  readonly plane: BackendPlane;
  readonly grants: ChunkGrants;
  readonly ringer: EventRinger;
  readonly pending: Int32Array;
  wasAlive: boolean;
}

export function lenderLoop(begin: LenderPlaneStart, { set, violations, timed, say }: PlaneTools): PlaneLoop {
  const waiter = new DomainWaiter(begin.bell);
  const guests: (Lent | undefined)[] = [];
  // As the main thread chose it. The identity in a control file is the guest's to write, at any moment.
  const { geometry } = begin;
  let { split, stuckBackoffMicros } = begin;

  function lend({ id, domid, remotePort, shared, arena, owners, limits }: LentGuest): Lent {
    const file = new MappedControlFile(shared);
    const port = waiter.channels.bindInterdomain(domid, remotePort);
    const ringer = new EventRinger(waiter.channels, { words: file.words, at: FRONT_BELL, port });
    // Whatever bits the guest writes, its channel says who it is.
    waiter.add({ words: file.words, at: BACK_BELL, port, source: id });
    const plane = new BackendPlane(
      geometry,
      {
        clock: systemClock,
        scrub: timed((offset, length) => memset(arena.address + offset, 0, length)),
        ringFront: () => ringer.ring(SOURCE_BACKEND),
      },
      new ChunkBooks(geometry.chunkCount, new Int32Array(owners)),
    );
    plane.setMode(split, stuckBackoffMicros);
    plane.addPair(PAIR, file, geometry, limits);
    const grants = new ChunkGrants(file.words, geometry);
    const pending = new Int32Array(BELL_PENDING_WORDS);
    return { port, plane, grants, ringer, pending, wasAlive: grants.isAlive };
  }

  function drop(id: number): void {
    const guest = guests[id];
    if (!guest) return;
    guests[id] = undefined;
    waiter.remove(guest.port);
    waiter.channels.unbind(guest.port);
  }

  return {
    waiter,
    poll() {
      let sleep = IDLE_WAIT_MILLIS;
      for (let id = 0; id < guests.length; id++) {
        const guest = guests[id];
        if (!guest) continue;
        const rang = ((waiter.pending[id >>> 5] as number) & (1 << (id & 31))) !== 0;
        guest.pending[0] = rang ? 1 << PAIR : 0;
        sleep = Math.min(sleep, guest.plane.poll(guest.pending));
      }
      waiter.pending.fill(0);
      return sleep;
    },
    beat() {
      for (let id = 0; id < guests.length; id++) {
        const guest = guests[id];
        if (!guest) continue;
        guest.plane.beat();
        if (guest.wasAlive && !guest.grants.isAlive) say({ died: id });
        guest.wasAlive = guest.grants.isAlive;
      }
    },
    obey(command) {
      const guest = 'id' in command ? guests[command.id as number] : undefined;
      if (command.kind === 'guest') {
        try {
          drop(command.id);
          guests[command.id] = lend(command);
          say({ guest: command.id });
        } catch (error) {
          say({ guest: command.id, problem: errorMessage(error) });
        }
      } else if (command.kind === 'guest-gone') {
        drop(command.id);
        say({ guest: command.id });
      } else if (command.kind === 'mode') {
        ({ split, stuckBackoffMicros } = command);
        for (const each of guests) each?.plane.setMode(split, stuckBackoffMicros);
      } else if (!guest) {
        return; // it went away meanwhile
      } else if (command.kind === 'limits') guest.plane.setLimits(PAIR, command.limits);
      else if (command.kind === 'granted') {
        if (guest.plane.books.ownerOf(command.chunk) === OWNER.absent - OWNER.firstPair) {
          guest.plane.books.addFree(command.chunk, true);
        }
      } else if (command.kind === 'withdraw') {
        for (let left = command.count; left > 0 && guest.plane.books.removeFree() >= 0; left--);
      } else if (command.kind === 'ring-guest') guest.ringer.ring(SOURCE_BACKEND);
    },
    publish() {
      for (const name of SUMS) {
        let sum = 0;
        for (const guest of guests) sum += guest?.plane.stats[name] ?? 0;
        set(name, sum);
      }
      let [free, present] = [0, 0];
      for (let id = 0; id < guests.length; id++) {
        const plane = guests[id]?.plane;
        violations[id] = plane?.violationsOf(PAIR) ?? 0;
        free += plane?.books.freeChunks ?? 0;
        present += plane?.books.presentChunks ?? 0;
      }
      set('freeChunks', free);
      set('presentChunks', present);
      set('rungByDomains', waiter.rungByDomains);
    },
  };
}
