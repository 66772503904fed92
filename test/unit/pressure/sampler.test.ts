import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BurstEvent } from '../../../src/pressure/burst-detector.ts';
import { RecordedSource } from '../../../src/pressure/recorded-source.ts';
import { Sampler } from '../../../src/pressure/sampler.ts';
import type { PressureSample } from '../../../src/records.ts';
import { mebibytes } from '../../../src/units.ts';
import { VirtualTimer } from './virtual-timer.ts';

const SECOND = 1_000_000;
/** Flat at 64 MiB for 5 s, up to 128 MiB within 0.5 s, flat for 5 s. */
const trace = (() => {
  const atMicros: number[] = [];
  const usedBytes: number[] = [];
  for (let at = 0; at <= 10.5 * SECOND; at += 10_000) {
    atMicros.push(at);
    usedBytes.push(mebibytes(64 + 64 * Math.min(1, Math.max(0, (at - 5 * SECOND) / (0.5 * SECOND)))));
  }
  return { atMicros: Float64Array.from(atMicros), usedBytes: Float64Array.from(usedBytes) };
})();

function sampler(options: Partial<ConstructorParameters<typeof Sampler>[0]> = {}) {
  const timer = new VirtualTimer();
  const events: BurstEvent[] = [];
  const samples: PressureSample[] = [];
  const made = new Sampler({
    source: new RecordedSource({ clock: timer.clock, trace }),
    clock: timer.clock,
    timer,
    onEvent: (event) => events.push(event),
    onSample: (sample) => samples.push(sample),
    ...options,
  });
  return { made, timer, events, samples };
}

describe('the sampler', () => {
  it('reads ten times a second while nothing happens', () => {
    const { made, timer, samples } = sampler();
    made.start();
    timer.run(4 * SECOND);
    assert.equal(samples.length, 41);
    made.stop();
  });

  it('reads a hundred times a second from the first sign of a rise until a second after the last', () => {
    const { made, timer, samples } = sampler();
    made.start();
    timer.run(5.25 * SECOND);
    const before = samples.length;
    timer.run(0.5 * SECOND);
    assert.equal(samples.length - before, 50);
    timer.run(3 * SECOND);
    const later = samples.length;
    timer.run(1 * SECOND);
    assert.equal(samples.length - later, 10);
    made.stop();
  });

  it('stays slow while headroom is small but nothing rises: a small domain at rest needs no watching', () => {
    const timer = new VirtualTimer();
    const source = new RecordedSource({ clock: timer.clock, trace, limit: () => mebibytes(80) });
    const { made } = sampler({ source, clock: timer.clock, timer });
    made.start();
    timer.run(SECOND);
    assert.ok(made.cost.samples <= 12, String(made.cost.samples));
    made.stop();
  });

  it('tells the burst: start, peak, end', () => {
    const { made, timer, events } = sampler();
    made.start();
    timer.run(10 * SECOND);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['start', 'peak', 'end'],
    );
    const [, peak, end] = events;
    assert.ok(peak?.kind === 'peak' && peak.peakBytes === mebibytes(128));
    assert.ok(end?.kind === 'end' && end.how === 'settled');
    made.stop();
  });

  it('reads nothing more once it is stopped, even by a handler', () => {
    const { made, timer, samples } = sampler({
      onSample: (sample) => {
        samples.push(sample);
        made.stop();
      },
    });
    made.start();
    timer.run(SECOND);
    assert.equal(samples.length, 1);
    assert.equal(timer.pending, 0);
  });

  it('starts again after a stop, and starting twice is starting once', () => {
    const { made, timer, samples } = sampler();
    made.start();
    made.start();
    timer.run(SECOND);
    made.stop();
    made.start();
    timer.run(SECOND);
    assert.equal(samples.length, 22);
    made.stop();
  });

  it('counts the CPU time that its readings took', () => {
    let cpu = 0;
    const { made, timer } = sampler({ cpuMicros: () => (cpu += 5) });
    made.start();
    timer.run(SECOND);
    assert.deepEqual(made.cost, { samples: 11, cpuMicros: 55, late: 0 });
    made.stop();
  });

  it('counts a reading as late when the thread did not get to it', () => {
    const { made, timer } = sampler();
    made.start();
    timer.run(SECOND);
    timer.clock.advanceMicros(SECOND);
    timer.run(SECOND);
    assert.equal(made.cost.late, 1);
    made.stop();
  });

  it('keeps the last readings only', () => {
    const { made, timer, samples } = sampler({ capacity: 7 });
    made.start();
    timer.run(2 * SECOND);
    assert.deepEqual([...made.recent], samples.slice(-7));
    assert.equal(made.recent.latest, samples.at(-1));
    made.stop();
  });
});
