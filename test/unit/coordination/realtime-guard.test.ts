/** The bound on a real-time loop, by a virtual clock. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CALM_WAIT_MILLIS, RealtimeGuard, WINDOW_MICROS } from '../../../src/coordination/realtime-guard.ts';

/** A loop on one thread: it turns, and each turn takes CPU time and then perhaps sleeps. */
class Loop {
  now = 0;
  cpu = 0;
  urgent = true;
  urgentCpu = 0;
  longestSleep = Number.POSITIVE_INFINITY;
  readonly guard = new RealtimeGuard({
    cpuMicros: () => this.cpu,
    setUrgent: (urgent) => {
      this.urgent = urgent;
    },
  });

  constructor(guarded = true) {
    this.guard.watch(guarded, 0);
  }

  turn(work: number, sleep: number): void {
    this.now += work;
    this.cpu += work;
    if (this.urgent) this.urgentCpu += work;
    this.longestSleep = this.guard.turn(this.now);
    this.now += Math.min(sleep, this.longestSleep * 1000);
  }

  /** Turns without ever sleeping, as while scrubbing or under a peer that rings without end. */
  hog(micros: number): void {
    for (const until = this.now + micros; this.now < until; ) this.turn(50, 0);
  }
}

describe('a real-time loop', () => {
  it('that sleeps between requests stays in real time', () => {
    const loop = new Loop();
    for (let request = 0; request < 10_000; request++) loop.turn(20, 80);
    assert.equal(loop.urgent, true);
    assert.equal(loop.urgentCpu, loop.cpu);
    assert.equal(loop.longestSleep, Number.POSITIVE_INFINITY);
  });

  it('that never sleeps is in real time for one window only', () => {
    const loop = new Loop();
    loop.hog(1_000_000);
    assert.equal(loop.urgent, false);
    assert.ok(loop.urgentCpu <= WINDOW_MICROS + 50, `${loop.urgentCpu} µs`);
  });

  it('would have the CPU to itself without the guard', () => {
    const loop = new Loop(false);
    loop.hog(1_000_000);
    assert.equal(loop.urgentCpu, loop.cpu);
  });

  it('has real time back after a quiet window, without waiting for a request', () => {
    const loop = new Loop();
    loop.hog(100_000);
    const before = loop.now;
    // Nothing to do: it would sleep for 250 ms.
    loop.turn(10, 250_000);
    loop.turn(10, 250_000);
    assert.equal(loop.urgent, true);
    assert.ok(loop.now - before >= CALM_WAIT_MILLIS * 1000);
  });

  it('is never in real time for more than half of the time under endless work, however it sleeps in between', () => {
    const loop = new Loop();
    for (let round = 0; round < 200; round++) {
      loop.hog(WINDOW_MICROS);
      loop.turn(10, WINDOW_MICROS);
    }
    assert.ok(loop.urgentCpu <= loop.now / 2 + WINDOW_MICROS, `${loop.urgentCpu} of ${loop.now} µs`);
  });

  it('obeys commands outside of real time', () => {
    const loop = new Loop();
    loop.guard.calm(loop.now);
    assert.equal(loop.urgent, false);
    loop.turn(10, 250_000);
    loop.turn(10, 250_000);
    assert.equal(loop.urgent, true);
  });

  it('that has no real time is left alone', () => {
    const guard = new RealtimeGuard({
      cpuMicros: () => assert.fail('asked for the CPU time'),
      setUrgent: () => assert.fail('changed the policy'),
    });
    guard.watch(false, 0);
    guard.calm(0);
    for (let now = 0; now < 1e6; now += 100) assert.equal(guard.turn(now), Number.POSITIVE_INFINITY);
  });
});
