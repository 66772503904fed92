import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../../src/clock.ts';
import { type EpollResult, loadEpoll } from '../../../src/pressure/epoll.ts';
import { type PsiWatchOptions, watchPsi } from '../../../src/pressure/psi-watch.ts';
import { systemTimer } from '../../../src/pressure/timer.ts';
import { fixtureTree, PSI, put } from './fixture-tree.ts';
import { VirtualTimer } from './virtual-timer.ts';

const SECOND = 1_000_000;
const noEpoll = async (): Promise<EpollResult> => ({ ok: false, reason: 'epoll is not built here' });

/** An epoll package whose event the test raises itself. */
function raisedByHand() {
  const raised: { fire?: (events: number) => void; watched: number[] } = { watched: [] };
  class Epoll {
    static readonly EPOLLPRI = 2;
    static readonly EPOLLERR = 8;
    constructor(callback: (error: Error | null, descriptor: number, events: number) => void) {
      raised.fire = (events) => callback(null, 0, events);
    }
    add(descriptor: number): void {
      raised.watched.push(descriptor);
    }
    remove(descriptor: number): void {
      raised.watched.splice(raised.watched.indexOf(descriptor), 1);
    }
    close(): void {}
  }
  return { raised, load: async (): Promise<EpollResult> => ({ ok: true, epoll: { Epoll } }) };
}

async function watching(test: TestContext, options: Partial<PsiWatchOptions> = {}) {
  const root = fixtureTree(test, { memory: PSI });
  const timer = new VirtualTimer();
  let stalls = 0;
  const path = `${root}/memory`;
  const watch = await watchPsi({
    path,
    stallShare: 0.15,
    onStall: () => stalls++,
    clock: timer.clock,
    timer,
    ...options,
  });
  const total = (micros: number) => put(root, 'memory', PSI.replace('total=123456', `total=${123456 + micros}`));
  return { watch, timer, total, path, stalls: () => stalls };
}

describe('watching PSI', () => {
  it('asks the kernel for the share within one second, ended by a NUL that the kernel may overwrite', async (test) => {
    const { load } = raisedByHand();
    const { watch, path } = await watching(test, { loadEpoll: load });
    assert.deepEqual([watch.method, watch.windowMicros, watch.reason], ['trigger', SECOND, undefined]);
    assert.ok(readFileSync(path, 'latin1').startsWith('some 150000 1000000\0'));
    watch.stop();
  });

  it('asks for the window that was configured, and for 2 s where the kernel refuses that', async (test) => {
    const { load } = raisedByHand();
    const { watch, path } = await watching(test, { loadEpoll: load, windowMicros: 4 * SECOND });
    assert.deepEqual([watch.method, watch.windowMicros], ['trigger', 4 * SECOND]);
    assert.ok(readFileSync(path, 'latin1').startsWith('some 600000 4000000\0'));
    watch.stop();
  });

  it('polls where that was asked for, although a trigger could be had', async (test) => {
    const { raised, load } = raisedByHand();
    const { watch, timer, total, stalls } = await watching(test, { loadEpoll: load, method: 'polling' });
    assert.deepEqual([watch.method, watch.reason, raised.watched], ['polling', undefined, []]);
    total(200_000);
    timer.run(SECOND);
    assert.equal(stalls(), 1);
    watch.stop();
  });

  it('tells each event, and lets go when the cgroup is gone', async (test) => {
    const { raised, load } = raisedByHand();
    const lost: string[] = [];
    const { watch, stalls } = await watching(test, { loadEpoll: load, onLost: (reason) => lost.push(reason) });
    raised.fire?.(2);
    raised.fire?.(2);
    assert.equal(stalls(), 2);
    raised.fire?.(2 | 8);
    assert.equal(stalls(), 2);
    raised.fire?.(2 | 8);
    assert.deepEqual(raised.watched, []);
    assert.equal(lost.length, 1);
    assert.match(lost[0] ?? '', /cgroup has been removed/);
    watch.stop();
  });

  it('polls where the package is absent, and says so once', async (test) => {
    const { watch, timer, total, stalls } = await watching(test, { loadEpoll: noEpoll });
    assert.deepEqual([watch.method, watch.reason], ['polling', 'epoll is not built here']);
    timer.run(0.5 * SECOND);
    total(149_000);
    timer.run(0.1 * SECOND);
    assert.equal(stalls(), 0);
    total(151_000);
    timer.run(0.1 * SECOND);
    assert.equal(stalls(), 1);
    watch.stop();
    assert.equal(timer.pending, 0);
  });

  it('tells that the file it polls has gone bad, and leaves it alone from then on', async (test) => {
    const lost: string[] = [];
    const onLost = (reason: string) => lost.push(reason);
    const { watch, timer, path } = await watching(test, { loadEpoll: noEpoll, onLost });
    writeFileSync(path, 'nothing like it\n');
    timer.run(SECOND);
    assert.equal(lost.length, 1);
    assert.match(lost[0] ?? '', /not the format of PSI/);
    assert.equal(timer.pending, 0);
    watch.stop();
  });

  it('does not add up stalls of different seconds while polling', async (test) => {
    const { watch, timer, total, stalls } = await watching(test, { loadEpoll: noEpoll });
    for (let second = 1; second <= 5; second++) {
      total(second * 100_000);
      timer.run(SECOND);
    }
    assert.equal(stalls(), 0);
    watch.stop();
  });

  it('says why where there is no PSI at all, and does nothing', async (test) => {
    const { watch, timer } = await watching(test, { path: '/nowhere/pressure', loadEpoll: noEpoll });
    assert.equal(watch.method, 'none');
    assert.match(watch.reason ?? '', /epoll is not built here; and it cannot be read: .*CONFIG_PSI/);
    assert.equal(timer.pending, 0);
    watch.stop();
  });

  it('falls back to polling where the kernel refuses a trigger', async (test) => {
    const { load } = raisedByHand();
    const { watch } = await watching(test, { path: fixtureTree(test, {}), loadEpoll: load });
    assert.match(watch.reason ?? '', /no trigger of 1 s/);
    watch.stop();
  });

  it('arms a real trigger on this kernel, or says why it could not', async (test) => {
    const path = '/proc/pressure/memory';
    if (!existsSync(path))
      return test.skip(
        'needs a kernel with PSI (CONFIG_PSI, and psi=1 where it is off): what happens without is tested above',
      );
    const watch = await watchPsi({ path, stallShare: 0.5, onStall() {}, clock: systemClock, timer: systemTimer });
    const { ok } = await loadEpoll();
    assert.ok(watch.method === 'trigger' ? ok : watch.reason !== undefined);
    watch.stop();
  });
});
