import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { characterise, meanOverTime, riseRate } from '../../../src/evaluation/recording/characterise.ts';
import { labelBursts } from '../../../src/evaluation/recording/labels.ts';
import { detectorCpuMicros, scoreDetector } from '../../../src/evaluation/recording/score.ts';
import { percentile } from '../../../src/latency/percentiles.ts';
import { DEFAULT_BURST_PARAMETERS as PARAMETERS } from '../../../src/pressure/burst-parameters.ts';
import { DEFAULT_SAMPLING_RATE } from '../../../src/pressure/sampling-rate.ts';
import { MIB } from '../../../src/units.ts';
import { ramp, traceOf } from './traces.ts';

const near = (actual: number | undefined, expected: number, tolerance = 0.02) =>
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= tolerance * Math.abs(expected),
    `${actual} is not near ${expected}`,
  );

/** Bursts of 40 MiB each `period` seconds: up within 0.2 s, held for 0.3 s, gone at once. */
const clockwork = (period: number) => (at: number) => {
  const phase = at % period;
  return 20 + (phase >= 0.5 && phase < 1 ? ramp(0, 40, 0.5, 0.7)(phase) : 0);
};

describe('the ground truth', () => {
  it('starts where the rise begins and ends where half of it is gone', () => {
    const labels = labelBursts(traceOf(3, clockwork(3)), PARAMETERS);
    assert.equal(labels.length, 1);
    const [label] = labels;
    assert.equal(label?.how, 'fell');
    near(label?.startMicros, 500_000);
    near(label?.peakMicros, 700_000);
    near(label?.endMicros, 1_000_000);
    assert.equal(label?.peakBytes, 60 * MIB);
  });

  it('ends a burst that stays where it stopped rising', () => {
    const [label] = labelBursts(traceOf(4, ramp(10, 60, 1, 2)), PARAMETERS);
    assert.equal(label?.how, 'settled');
    near(label?.endMicros, 2_000_000);
    near(label?.closedMicros, 2_500_000);
  });

  it('leaves out drift, noise and what is too small', () => {
    for (const used of [
      (at: number) => at * 3,
      (at: number) => 20 + (at % 0.02 < 0.01 ? 0.9 : 0),
      ramp(10, 17, 1, 1.1),
    ]) {
      assert.deepEqual(labelBursts(traceOf(20, used), PARAMETERS), []);
    }
  });

  it('has no overlaps, on any trace', () => {
    const used = fc.array(fc.nat(300), { minLength: 2, maxLength: 300 });
    fc.assert(
      fc.property(used, (levels) => {
        const labels = labelBursts(
          traceOf((levels.length - 1) / 10, (at) => levels[Math.floor(at * 10)]!),
          PARAMETERS,
        );
        for (const [index, label] of labels.entries()) {
          assert.ok(label.startMicros < label.peakMicros && label.peakMicros <= label.closedMicros);
          assert.ok(label.peakBytes - label.startBytes >= PARAMETERS.riseBytes - PARAMETERS.noiseBytes);
          const next = labels[index + 1];
          if (next) assert.ok(next.startMicros >= label.endMicros);
        }
      }),
    );
  });
});

describe('characteristics', () => {
  it('weigh the mean by time, not by samples', () => {
    const trace = { atMicros: Float64Array.of(0, 1, 2, 10), usedBytes: Float64Array.of(0, 0, 100, 7) };
    assert.equal(meanOverTime(trace), 80);
  });

  it('give the slope of a ramp as its rise rate over every window', () => {
    const trace = traceOf(10, ramp(0, 500, 0, 10));
    for (const window of [10, 100, 1000]) {
      near(riseRate(trace, window).p50BytesPerSecond, 50 * MIB);
      near(riseRate(trace, window).p99BytesPerSecond, 50 * MIB);
    }
  });

  it('of clockwork bursts have no variation of gaps', () => {
    const facts = characterise(traceOf(30, clockwork(2)), PARAMETERS);
    assert.equal(facts.bursts, 15);
    near(facts.burstDurationP50Seconds, 0.5, 0.05);
    assert.ok(facts.gapVariation! < 0.02, String(facts.gapVariation));
    near(facts.peakToMean, 60 / (20 + (40 * 0.4) / 2), 0.05);
    assert.ok(facts.dispersionIndex! > 1);
  });

  it('of a flat trace leave out what it cannot give', () => {
    const facts = characterise(
      traceOf(5, () => 30),
      PARAMETERS,
    );
    assert.equal(facts.peakToMean, 1);
    assert.equal(facts.bursts, 0);
    for (const key of ['gapVariation', 'dispersionIndex', 'burstDurationP50Seconds']) assert.ok(!(key in facts), key);
    assert.deepEqual(facts.riseRates[0], { windowMillis: 10 });
  });

  it('exist for a single sample, and for one where nothing was in use', () => {
    const facts = characterise({ atMicros: Float64Array.of(0), usedBytes: Float64Array.of(0) }, PARAMETERS);
    assert.equal(facts.durationSeconds, 0);
    assert.ok(!('peakToMean' in facts));
  });
});

describe('percentiles', () => {
  it('are one of the values, by nearest rank', () => {
    assert.equal(percentile([3, 1, 2], 0.5), 2);
    assert.equal(percentile([3, 1, 2], 0), 1);
    assert.equal(percentile([3, 1, 2], 1), 3);
    assert.equal(
      percentile(
        Array.from({ length: 200 }, (_, i) => i + 1),
        0.99,
      ),
      198,
    );
    assert.equal(percentile([], 0.5), undefined);
  });
});

describe('the detector’s score', () => {
  it('is full on clear bursts, with the delay and the time that is left', () => {
    const score = scoreDetector(traceOf(30, clockwork(2)), PARAMETERS);
    assert.deepEqual([score.labelled, score.detected, score.precision, score.recall], [15, 15, 1, 1]);
    assert.ok(score.delayP50Micros! > 0 && score.delayP50Micros! <= 50_000, String(score.delayP50Micros));
    near(score.delayP50Micros! + score.leadP50Micros!, 200_000, 0.06);
  });

  it('loses recall when the detector is made deaf, and precision when it is made jumpy', () => {
    const deaf = { ...PARAMETERS, rateMicros: 1e12, horizonMicros: 0 } as typeof PARAMETERS;
    const slow = traceOf(30, (at) => 20 + ramp(0, 9, 0.5, 1)(at % 6));
    const heard = scoreDetector(slow, PARAMETERS);
    const unheard = scoreDetector(slow, deaf);
    assert.ok(heard.labelled > 0 && (unheard.recall ?? 0) < (heard.recall ?? 0));
    const twitches = traceOf(30, (at) => 20 + (at % 1 < 0.02 ? 3 : 0));
    const jumpy = { ...PARAMETERS, horizonMicros: 5e6 } as typeof PARAMETERS;
    assert.equal(scoreDetector(twitches, jumpy).precision, 0);
  });

  it('takes fewer readings at the adaptive rate, and pays with delay', () => {
    const trace = traceOf(60, clockwork(5));
    const every = scoreDetector(trace, PARAMETERS);
    const adaptive = scoreDetector(trace, PARAMETERS, DEFAULT_SAMPLING_RATE);
    assert.ok(adaptive.samples < every.samples / 2);
    assert.ok(adaptive.delayP50Micros! >= every.delayP50Micros!);
    assert.equal(adaptive.recall, 1);
  });

  it('tells the CPU time of one step by the clock that it is given', () => {
    let calls = 0;
    const cpu = () => 5_000 * calls++;
    assert.equal(
      detectorCpuMicros(
        traceOf(1, () => 1),
        PARAMETERS,
        cpu,
        1010,
      ),
      5_000 / 1010,
    );
  });
});
