/** What every doorbell must do. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { mkfifo } from '../../src/native/libc.ts';
import { type BellKind, openBell, SOURCE, takeSource } from './doorbell-program.ts';

const PROGRAM = new URL('./doorbell-program.js', import.meta.url);
const ROUNDS = 100;
const WAIT_MILLIS = 250;
/** A ring that has not come after so many waits is lost. */
const PATIENCE = 120;

for (const kind of ['futex', 'fifo'] as const) {
  describe(`doorbell: ${kind}`, () => {
    let dir: string;
    before(() => {
      dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-bell-'));
    });
    after(() => fs.rmSync(dir, { recursive: true, force: true }));

    let made = 0;
    const makeBell = (): string => {
      const file = path.join(dir, `bell-${made++}`);
      if (kind === 'fifo') assert.equal(mkfifo(file, 0o600), 0);
      else fs.writeFileSync(file, Buffer.alloc(4096));
      return file;
    };

    test('nobody rang: a look says so, and a wait ends by itself', () => {
      const { waiter } = openBell(kind, makeBell());
      assert.equal(waiter.wait(0), false);
      assert.equal(waiter.wait(5), false);
      assert.ok(waiter.pending.every((bits) => bits === 0));
      waiter.close();
    });

    test('a ring before the wait is not lost', () => {
      const { ringer, waiter } = openBell(kind, makeBell());
      ringer.ring(17);
      assert.equal(waiter.wait(250), true);
      assert.equal(takeSource(waiter.pending, 17), true);
      assert.equal(waiter.wait(0), false);
      ringer.close();
      waiter.close();
    });

    test('every source has a bit of its own, and what is not served stays', () => {
      const { ringer, waiter } = openBell(kind, makeBell());
      for (let source = 0; source < 256; source++) ringer.ring(source);
      assert.equal(waiter.wait(0), true);
      for (let source = 0; source < 255; source++) assert.ok(takeSource(waiter.pending, source), `source ${source}`);
      assert.equal(waiter.wait(250), true, 'the last is still to be served');
      assert.ok(takeSource(waiter.pending, 255));
      assert.equal(waiter.wait(0), false);
      ringer.close();
      waiter.close();
    });

    test('any number of rings to somebody who does not listen neither block nor fail, and are one', () => {
      const { ringer, waiter } = openBell(kind, makeBell());
      for (let ring = 0; ring < 100_000; ring++) ringer.ring(9);
      assert.equal(waiter.wait(0), true);
      assert.ok(takeSource(waiter.pending, 9));
      assert.equal(waiter.wait(0), false);
      ringer.close();
      waiter.close();
    });

    test('several ringers share one bell', () => {
      const file = makeBell();
      const { waiter } = openBell(kind, file);
      for (const source of [1, 2]) openBell(kind, file).ringer.ring(source);
      waiter.wait(0);
      assert.ok(takeSource(waiter.pending, 1));
      assert.ok(takeSource(waiter.pending, 2));
    });

    for (const where of ['thread', 'process'] as const) {
      test(`wakes one who sleeps in another ${where}, every time`, async () => {
        const [mine, theirs] = [makeBell(), makeBell()];
        const { waiter } = openBell(kind, mine);
        const { ringer } = openBell(kind, theirs);
        const ended = start(where, [kind, theirs, mine]);
        const hear = async (): Promise<void> => {
          for (let tries = 0; !takeSource(waiter.pending, SOURCE.pong); tries++) {
            assert.ok(tries < PATIENCE, 'a ring was lost');
            await new Promise((resolve) => setImmediate(resolve));
            waiter.wait(WAIT_MILLIS);
          }
        };
        await hear();
        let late = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const before = performance.now();
          ringer.ring(SOURCE.ping);
          await hear();
          if (performance.now() - before >= WAIT_MILLIS) late++;
        }
        // A sleeper who is not woken hears the ring nevertheless, when his wait is over: not most of the time.
        assert.ok(late < ROUNDS / 2, `${late} of ${ROUNDS} rounds lasted as long as a wait with nobody ringing`);
        ringer.ring(SOURCE.stop);
        assert.equal(await ended, 0);
      });
    }
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
