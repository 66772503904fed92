import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bySize } from '../../../src/evaluation/replay/by-size.ts';
import { LocalMemory } from '../../../src/evaluation/replay/local-memory.ts';
import type { ReplayPlan } from '../../../src/evaluation/replay/plan.ts';
import { type MemorySource, noFigures, play, type Taken } from '../../../src/evaluation/replay/player.ts';
import { VirtualTimer } from '../pressure/virtual-timer.ts';

const PLAN: ReplayPlan = {
  steps: [
    { kind: 'take', atMicros: 1000, lease: 0, byteLength: 64 },
    { kind: 'take', atMicros: 1000, lease: 1, byteLength: 32 },
    { kind: 'give', atMicros: 5000, lease: 0 },
    { kind: 'give', atMicros: 8000, lease: 1 },
  ],
  durationMicros: 8000,
  peakBytes: 96,
};

type Answer = (byteLength: number) => { refusal?: string; waitedMicros?: number; worksMicros?: number };

/** Memory that writes down when each size was taken and given back. */
class DiarySource implements MemorySource {
  readonly diary: string[] = [];
  readonly #timer: VirtualTimer;
  readonly #answer: Answer;

  constructor(timer: VirtualTimer, answer: Answer = () => ({})) {
    this.#timer = timer;
    this.#answer = answer;
  }

  async take(byteLength: number): Promise<Taken> {
    this.#write(`take ${byteLength}`);
    const { refusal, waitedMicros = 0, worksMicros = 0 } = this.#answer(byteLength);
    this.#timer.clock.advanceMicros(worksMicros);
    if (refusal !== undefined) return { ok: false, refusal, waitedMicros };
    return { ok: true, totalMicros: 7, waitedMicros, release: () => this.#write(`give ${byteLength}`) };
  }

  #write(entry: string): void {
    this.diary.push(`${this.#timer.clock.monotonicMicros()} ${entry}`);
  }
}

/** Lets promises go on between the instants of the virtual clock. */
async function run(timer: VirtualTimer, micros: number): Promise<void> {
  for (let passed = 0; passed < micros; passed += 500) {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    timer.run(500);
  }
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

function start(answer?: Answer) {
  const timer = new VirtualTimer();
  const source = new DiarySource(timer, answer);
  const figures = noFigures();
  const stop = new AbortController();
  const played = play(PLAN, source, figures, { clock: timer.clock, timer, signal: stop.signal });
  return { timer, source, figures, stop, played };
}

describe('playing a plan', () => {
  it('takes and gives back each lease at its time', async () => {
    const { timer, source, figures, played } = start();
    await run(timer, 10_000);
    await played;
    assert.deepEqual(source.diary, ['1000 take 64', '1000 take 32', '5000 give 64', '8000 give 32']);
    assert.equal(figures.served.length, 2);
    assert.equal(figures.latestMicros, 0);
  });

  it('goes on without what was refused, and says why', async () => {
    const { timer, source, figures, played } = start((size) =>
      size === 64 ? { refusal: 'pool-empty', waitedMicros: 200 } : {},
    );
    await run(timer, 10_000);
    await played;
    assert.deepEqual(source.diary, ['1000 take 64', '1000 take 32', '8000 give 32']);
    assert.deepEqual(figures.refused, [{ byteLength: 64, refusal: 'pool-empty' }]);
    assert.deepEqual([figures.stalls, figures.stalledMicros], [1, 200]);
  });

  it('catches up after a stall instead of moving the rest', async () => {
    const { timer, source, figures, played } = start((size) =>
      size === 64 ? { waitedMicros: 5500, worksMicros: 5500 } : {},
    );
    await run(timer, 12_000);
    await played;
    assert.deepEqual(source.diary, ['1000 take 64', '6500 take 32', '6500 give 64', '8000 give 32']);
    assert.equal(figures.latestMicros, 5500);
  });

  it('ends at once when it is told to, and gives everything back', async () => {
    const { timer, source, stop, played } = start();
    await run(timer, 2000);
    stop.abort();
    await played;
    assert.deepEqual(source.diary.slice(2), ['2000 give 64', '2000 give 32']);
    assert.equal(timer.pending, 0);
  });

  it('gives everything back when the memory fails', async () => {
    const broken = new Error('gone');
    const { timer, source, played } = start((size) => {
      if (size === 32) throw broken;
      return {};
    });
    const failed = assert.rejects(played, broken);
    await run(timer, 2000);
    await failed;
    assert.equal(source.diary.at(-1), '1000 give 64');
  });
});

describe('figures by size', () => {
  it('are computed from what was measured, sizes with refusals alone included', () => {
    const figures = noFigures();
    for (const totalMicros of [5, 1, 9]) figures.served.push({ byteLength: 64, totalMicros });
    figures.refused.push({ byteLength: 128, refusal: 'deadline' });
    assert.deepEqual(bySize(figures), [
      { byteLength: 64, refused: 0, totalMicros: { n: 3, p50: 5, p99: undefined, max: 9 } },
      { byteLength: 128, refused: 1 },
    ]);
  });
});

describe('local memory', () => {
  it('is really allocated, and timed with the clock it was given', async () => {
    const timer = new VirtualTimer();
    const taken = await new LocalMemory(timer.clock).take(1 << 20);
    assert.ok(taken.ok);
    assert.equal(taken.totalMicros, 0);
    taken.release();
  });

  it('says so when malloc refuses', async () => {
    const taken = await new LocalMemory(new VirtualTimer().clock).take(2 ** 50);
    assert.deepEqual(taken, { ok: false, refusal: 'malloc returned NULL', waitedMicros: 0 });
  });
});
