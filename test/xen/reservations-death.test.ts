/**
 * Whoever moves reservations may die, and so may who has them: an agent of a guest, dom0's, a guest, the connection to xenstored.
 * Afterwards all memory is accounted for, by Xen's own counts.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { MIB } from '../../src/units.ts';
import { HypercallBooks } from '../../src/xen/hypercall-books.ts';
import { BoardAgents, type GuestFigures, until } from './board-agents.ts';
import { domidOf, GUESTS, type Guest, inDom0, inGuest, ON_BOARD } from './guests.ts';
import { XenstoreRelay } from './xenstore-relay.ts';

/** Of the board's configuration. */
const KEEP_FREE = 48 * MIB;
const BOOT = 256 * MIB;
/** Pages that Xen counts and a guest's kernel does not, twice: before and after. */
const SLACK = 2 * MIB;
/** Xen's own, for a domain that is created anew: its tables and its ports. */
const CREATION_SLACK = 8 * MIB;

const run = promisify(execFile);

describe('death and restart around reservations', { ...ON_BOARD, timeout: 1_200_000 }, () => {
  const [donor, guest] = GUESTS as [Guest, Guest];
  let agents: BoardAgents;
  let books: HypercallBooks;
  let relay: XenstoreRelay;
  let total = 0;
  before(async () => {
    books = new HypercallBooks();
    relay = await XenstoreRelay.open('/run/memtide-test-xenstored');
    total = await allMemory();
    agents = await BoardAgents.shared();
    await pooled();
  });
  after(() => {
    relay?.close();
    books?.close();
  });

  const counted = async (guest: Guest) => (await books.domain(await domidOf(guest)))!;
  /** What guests hold and what is free, by Xen's count. */
  const allMemory = async (guests = GUESTS): Promise<number> => {
    let all: number = await books.freeBytes();
    for (const guest of guests) all += (await counted(guest)).heldBytes;
    return all;
  };
  /** A program that holds more and more, in the end 8 MiB beyond what the guest has available, then all of it for a while. */
  const hold = async (guest: Guest): Promise<void> => {
    const said = await inGuest(
      guest,
      `available=$(awk '$1 == "MemAvailable:" { all = $2 } $1 == "Mapped:" { code = $2 } END { print int((all - code) / 1024) }' /proc/meminfo)
       steps=$(((available + 15) / 8)); mib=$((steps * 8))
       (for i in $(seq $steps); do head -c 8M /dev/zero; sleep 1; done; sleep 5) | tail -c \${mib}M | wc -c; echo $((mib * 1048576))`,
    );
    const [held, wanted] = said.trim().split('\n');
    assert.equal(held, wanted);
  };
  const pooled = (): Promise<void> =>
    until('the pool is filled', async () => (await agents.xen()).pool_bytes >= 24 * MIB);
  /** The back end's figures are Xen's, Xen lets nobody grow into what is not there, and nothing is lost. */
  const accounted = async (slack = SLACK): Promise<void> => {
    await until('the back end counts as Xen does', async () => {
      const { guests } = await agents.xen();
      const xens = await Promise.all(GUESTS.map(counted));
      return GUESTS.every(({ name }, at) => {
        const { held_bytes, entitlement_bytes } = guests.find((each) => each.name === name) as GuestFigures;
        const { heldBytes, capBytes = 0 } = xens[at]!;
        return Math.abs(held_bytes - heldBytes) <= SLACK && Math.abs(entitlement_bytes - capBytes) <= SLACK;
      });
    });
    const xens = await Promise.all(GUESTS.map(counted));
    const promised = xens.reduce((all, { heldBytes, capBytes = 0 }) => all + Math.max(0, capBytes - heldBytes), 0);
    assert.ok(promised <= (await books.freeBytes()) - KEEP_FREE + SLACK, `${promised / MIB} MiB are promised`);
    const now = await allMemory();
    assert.ok(Math.abs(now - total) <= slack, `${now / MIB} MiB in all, ${total / MIB} before`);
  };

  test('a guest’s agent: the guest keeps what it holds and grows no further; its successor is given room again', async () => {
    const { heldBytes } = await counted(guest);
    await agents.killGuest(guest);
    await until('it is missed', async () => !(await agents.isConnected(guest.name)));
    await until('Xen lets its guest grow no further', async () => {
      const now = await counted(guest);
      return now.capBytes! <= now.heldBytes + SLACK;
    });
    const left = await counted(guest);
    // Its balloon goes on to where it was told to go: no more than a move.
    assert.ok(left.heldBytes >= heldBytes - 64 * MIB, `it holds ${left.heldBytes / MIB} MiB of ${heldBytes / MIB}`);
    await agents.startGuest(guest);
    await agents.joined(guest.name);
    await until('it may grow again', async () => {
      const now = await counted(guest);
      return now.capBytes! > now.heldBytes + SLACK;
    });
    await accounted();
  });

  test('dom0’s agent: guests grow on within their caps, and its successor takes up what Xen has', async () => {
    const [before, other] = [await counted(guest), await counted(donor)];
    await agents.killBackend();
    assert.equal((await counted(guest)).capBytes, before.capBytes, 'caps are Xen’s');
    const program = hold(guest);
    await until('the guest has grown with nobody in dom0', async () => {
      return (await counted(guest)).heldBytes >= before.heldBytes + 4 * MIB;
    });
    await program;
    assert.ok((await counted(guest)).heldBytes <= before.capBytes!);
    assert.equal((await counted(donor)).capBytes, other.capBytes);
    await agents.startBackend(relay.path);
    for (const { name } of GUESTS) await agents.joined(name);
    await pooled();
    await accounted();
  });

  test('the connection to xenstored: who was destroyed meanwhile is known once it is back', async () => {
    const { connections } = relay;
    assert.ok(connections > 0);
    relay.cut();
    await inDom0('xl', 'destroy', guest.name);
    relay.mend();
    await until('the guest is missed', async () => (await agents.guest(guest.name)).domid === undefined);
    assert.ok(relay.connections > connections, 'it has connected again');
    await until('what it held is free', async () => (await allMemory([donor])) >= total - CREATION_SLACK);
  });

  test('a guest that is created again: the memory for it is collected beforehand', async (t) => {
    // The other one has taken what it could, and needs it no more.
    await hold(donor);
    const held = (await counted(donor)).heldBytes;
    t.diagnostic(`${donor.name} holds ${Math.round(held / MIB)} MiB`);
    const created = await run('memtide', ['guest', 'create', `/run/share/${guest.name}.cfg`, '--wait', '200']);
    t.diagnostic(created.stderr.trim());
    assert.equal(Math.round((await counted(guest)).heldBytes / MIB), BOOT / MIB);
    assert.ok((await agents.xen()).guests.every(({ overstated }) => overstated === 0));
    await until('the guest has booted', () =>
      inGuest(guest, 'true').then(
        () => true,
        () => false,
      ),
    );
    await agents.startGuest(guest);
    await agents.joined(guest.name);
    await pooled();
    await accounted(CREATION_SLACK);
  });
});
