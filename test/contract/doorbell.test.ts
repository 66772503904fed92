/** The doorbells of one machine. Those between domains: test/xen/doorbell.test.ts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { mkfifo } from '../../src/native/libc.ts';
import { doorbellContract, type Peer } from './doorbell-contract.ts';
import { type BellKind, openRinger, openWaiter } from './doorbell-program.ts';

const PROGRAM = new URL('./doorbell-program.js', import.meta.url);

for (const kind of ['futex', 'fifo'] as const) {
  describe(`doorbell: ${kind}`, () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-bell-'));
    after(() => fs.rmSync(dir, { recursive: true, force: true }));

    let made = 0;
    const makeBell = (): string => {
      const file = path.join(dir, `bell-${made++}`);
      if (kind === 'fifo') assert.equal(mkfifo(file, 0o600), 0);
      else fs.writeFileSync(file, Buffer.alloc(4096));
      return file;
    };
    const peer = (where: 'thread' | 'process') => async (): Promise<Peer> => {
      const [mine, theirs] = [makeBell(), makeBell()];
      const waiter = openWaiter(kind, mine);
      return { waiter, openRinger: () => openRinger(kind, theirs), ended: start(where, [kind, theirs, mine]) };
    };

    doorbellContract({
      bell: () => {
        const file = makeBell();
        return { waiter: openWaiter(kind, file), openRinger: () => openRinger(kind, file) };
      },
      peers: { thread: peer('thread'), process: peer('process') },
    });
  });
}

async function start(where: 'thread' | 'process', bells: readonly [BellKind, string, string]): Promise<unknown> {
  const program =
    where === 'thread'
      ? new Worker(PROGRAM, { workerData: bells })
      : spawn(process.execPath, [fileURLToPath(PROGRAM), ...bells], { stdio: 'inherit' });
  const [code] = await once(program, 'exit');
  return code;
}
