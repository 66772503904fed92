import { once } from 'node:events';
import net from 'node:net';
import { systemClock } from '../../../clock.ts';
import { MemtideError } from '../../../errors.ts';
import { type BalloonDriver, systemBalloon } from '../../../platforms/xen/balloon-driver.ts';
import { BalloonMove } from '../../../platforms/xen/balloon-move.ts';
import { type Bytes, bytes, formatBytes } from '../../../units.ts';
import { openXenstore } from '../../../xen/xenstore/open.ts';
import { Xenstore } from '../../../xen/xenstore/xenstore.ts';
import { Peer } from './peer.ts';

/** An emulated machine may be busy for seconds. */
const MOVE_MILLIS = 300_000;
const STALL_MILLIS = 5000;
const LOOK_MILLIS = 2;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));

/** A guest's side of the bench: its name, its balloon, its connection to dom0. */
export async function openGuest(
  dom0: string,
  role: 'donor' | 'recipient',
): Promise<{ domain: string; driver: BalloonDriver; dom0: Peer; machine: string }> {
  const driver = systemBalloon();
  const domain = await ownName();
  const [, host = dom0, port = '4711'] = /^(.+):(\d+)$/.exec(dom0) ?? [];
  const socket = net.connect(Number(port), host);
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw new MemtideError({
      operation: 'reach the bench’s program in dom0',
      object: `${host}:${port}`,
      remedy: 'run memtide bench --xen-dom0 ADDRESS:PORT there, with its address on the bridge between the domains',
      cause,
    });
  }
  const peer = new Peer(socket, {
    give: ({ bytes: by }: { bytes: number }) => resize(driver, bytes(driver.current() - by)),
    take: ({ bytes: by }: { bytes: number }) => resize(driver, bytes(driver.current() + by)),
  });
  const { machine } = await peer.call<{ machine: string }>('hello', { domain, role });
  return { domain, driver, dom0: peer, machine };
}

/** Moves this guest's balloon, and waits until it is there. */
export async function resize(driver: BalloonDriver, to: Bytes): Promise<void> {
  const move = new BalloonMove(to, {
    driver,
    clock: systemClock,
    deadlineMillis: MOVE_MILLIS,
    stallMillis: STALL_MILLIS,
    refusal: 'pool-empty',
    reason: 'Xen or the kernel refuses',
  });
  for (;;) {
    const result = move.look();
    if (result?.ok) return;
    if (result) {
      throw new MemtideError({
        operation: 'resize the guest for the bench',
        expected: formatBytes(to),
        actual: `${formatBytes(result.limit)}: ${result.reason}`,
        remedy: 'boot the guest with more memory, or ask for smaller --sizes-mib; dom0 may not be short either',
      });
    }
    await pause();
  }
}

/** Resolves as soon as the guest holds so much. */
export async function holds(driver: BalloonDriver, wanted: Bytes): Promise<void> {
  const until = systemClock.monotonicMicros() + MOVE_MILLIS * 1000;
  while (driver.current() < wanted) {
    if (systemClock.monotonicMicros() > until) {
      const actual = formatBytes(driver.current());
      throw new MemtideError({ operation: 'wait for memory', expected: formatBytes(wanted), actual });
    }
    await pause();
  }
}

async function ownName(): Promise<string> {
  const store = new Xenstore({ open: () => openXenstore() });
  await store.start();
  try {
    const name = await store.read('name');
    if (name !== undefined) return name;
    throw new MemtideError({ operation: 'find the guest’s own name', object: 'name', actual: 'no such node' });
  } finally {
    await store.close();
  }
}
