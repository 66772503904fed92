/**
 * A doorbell over event channels within one domain: a file holds the page and the ports that ringers may bind to. Run as a
 * program, or in a thread, it is the other side of the doorbell contract: loopback-bell.js MINE THEIRS
 */
import fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { DoorbellRinger, DoorbellWaiter } from '../../src/control/contracts.ts';
import { mapFile, wordsOf } from '../../src/native/mapping.ts';
import { DOMID_SELF } from '../../src/xen/device.ts';
import { EventRinger, EventWaiter } from '../../src/xen/event-bell.ts';
import { EventChannels } from '../../src/xen/event-channels.ts';
import { answer } from '../contract/doorbell-program.ts';

const BELL_AT = 64;
/** How many ports are taken; then the ports. */
const TAKEN = 256;
const RINGERS = 4;

export function makeLoopback(file: string): string {
  fs.writeFileSync(file, Buffer.alloc(4096));
  return file;
}

/** Comes first: it offers the ports. */
export function listen(file: string): DoorbellWaiter {
  const words = wordsOf(mapFile(file, 4096, 'doorbell'));
  const channels = new EventChannels();
  const ports = Array.from({ length: RINGERS }, () => channels.bindUnbound(DOMID_SELF));
  words.set(ports, TAKEN + 1);
  // One page, whichever ringer woke us.
  return new EventWaiter(channels, [{ words, at: BELL_AT, port: ports[0]! }]);
}

export function ringAt(file: string): DoorbellRinger {
  const words = wordsOf(mapFile(file, 4096, 'doorbell'));
  const channels = new EventChannels();
  const remote = words[TAKEN + 1 + Atomics.add(words, TAKEN, 1)]!;
  return new EventRinger(channels, { words, at: BELL_AT, port: channels.bindInterdomain(DOMID_SELF, remote) });
}

const bells = parentPort ? (workerData as string[]) : process.argv.slice(2);
if (bells.length === 2) {
  const [mine, theirs] = bells as [string, string];
  answer(listen(mine), ringAt(theirs));
} // else imported
