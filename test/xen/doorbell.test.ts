/** The doorbell between domains, by the contract of all doorbells: within dom0, and between dom0 and a guest. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { doorbellContract, type Peer } from '../contract/doorbell-contract.ts';
import { startInGuest } from './guest-bell.ts';
import { ON_BOARD } from './guests.ts';
import { listen, makeLoopback, ringAt } from './loopback-bell.ts';

const PROGRAM = new URL('./loopback-bell.js', import.meta.url);

describe('doorbell: event channel', { ...ON_BOARD, timeout: 300_000 }, () => {
  const dir = ON_BOARD.skip ? '' : fs.mkdtempSync('/dev/shm/memtide-bell-');
  after(() => {
    if (dir !== '') fs.rmSync(dir, { recursive: true, force: true });
  });
  let made = 0;
  const makeBell = (): string => makeLoopback(`${dir}/bell-${made++}`);

  const local = (where: 'thread' | 'process') => async (): Promise<Peer> => {
    const [mine, theirs] = [makeBell(), makeBell()];
    const waiter = listen(mine);
    const program =
      where === 'thread'
        ? new Worker(PROGRAM, { workerData: [theirs, mine] })
        : spawn(process.execPath, [fileURLToPath(PROGRAM), theirs, mine], { stdio: 'inherit' });
    const ended = once(program, 'exit').then(([code]) => code);
    return { waiter, openRinger: () => ringAt(theirs), ended };
  };

  doorbellContract({
    bell: () => {
      const file = makeBell();
      const waiter = listen(file);
      return { waiter, openRinger: () => ringAt(file) };
    },
    peers: { thread: local('thread'), process: local('process'), domain: startInGuest },
  });
});
