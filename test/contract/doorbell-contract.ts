/** What every doorbell must do, whatever it is made of and wherever the other side runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DoorbellRinger, DoorbellWaiter } from '../../src/control/contracts.ts';
import { SOURCE, takeSource } from './doorbell-program.ts';

const ROUNDS = 100;
const WAIT_MILLIS = 250;
/** A ring that has not come after so many waits is lost. */
const PATIENCE = 120;

/** The other side: it rings `pong` when it is there and whenever it hears `ping`, and ends when it hears `stop`. */
export interface Peer {
  readonly waiter: DoorbellWaiter;
  /** Called once, when the peer has rung for the first time. */
  openRinger(): DoorbellRinger;
  /** Exit code of the peer. */
  readonly ended: Promise<unknown>;
}

export interface DoorbellUnderTest {
  /** A bell of this process: whoever waits, and a way to open any number of ringers. */
  bell(): { readonly waiter: DoorbellWaiter; openRinger(): DoorbellRinger };
  /** Starts the other side there. */
  readonly peers: Readonly<Record<string, () => Promise<Peer>>>;
}

export function doorbellContract({ bell, peers }: DoorbellUnderTest): void {
  test('nobody rang: a look says so, and a wait ends by itself', () => {
    const { waiter } = bell();
    assert.equal(waiter.wait(0), false);
    assert.equal(waiter.wait(5), false);
    assert.ok(waiter.pending.every((bits) => bits === 0));
    waiter.close();
  });

  test('a ring before the wait is not lost', () => {
    const { waiter, openRinger } = bell();
    const ringer = openRinger();
    ringer.ring(17);
    assert.equal(waiter.wait(250), true);
    assert.equal(takeSource(waiter.pending, 17), true);
    assert.equal(waiter.wait(0), false);
    ringer.close();
    waiter.close();
  });

  test('every source has a bit of its own, and what is not served stays', () => {
    const { waiter, openRinger } = bell();
    const ringer = openRinger();
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
    const { waiter, openRinger } = bell();
    const ringer = openRinger();
    for (let ring = 0; ring < 100_000; ring++) ringer.ring(9);
    assert.equal(waiter.wait(0), true);
    assert.ok(takeSource(waiter.pending, 9));
    assert.equal(waiter.wait(0), false);
    ringer.close();
    waiter.close();
  });

  test('several ringers share one bell', () => {
    const { waiter, openRinger } = bell();
    for (const source of [1, 2]) openRinger().ring(source);
    waiter.wait(0);
    assert.ok(takeSource(waiter.pending, 1));
    assert.ok(takeSource(waiter.pending, 2));
  });

  for (const [where, start] of Object.entries(peers)) {
    test(`wakes one who sleeps in another ${where}, every time`, async () => {
      const { waiter, openRinger, ended } = await start();
      const hear = async (): Promise<void> => {
        for (let tries = 0; !takeSource(waiter.pending, SOURCE.pong); tries++) {
          assert.ok(tries < PATIENCE, 'a ring was lost');
          await new Promise((resolve) => setImmediate(resolve));
          waiter.wait(WAIT_MILLIS);
        }
      };
      await hear();
      const ringer = openRinger();
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
}
