import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type BurstContext,
  type BurstEvent,
  type BurstState,
  exhaustedInMicros,
  step,
} from '../../../src/pressure/burst-detector.ts';
import {
  type BurstParameters,
  DEFAULT_BURST_PARAMETERS as PARAMETERS,
} from '../../../src/pressure/burst-parameters.ts';
import { bytes, MIB, micros } from '../../../src/units.ts';

interface Reading {
  readonly at: number;
  readonly used: number;
  readonly context?: BurstContext;
}

function run(readings: readonly Reading[], parameters: BurstParameters = PARAMETERS) {
  const events: BurstEvent[] = [];
  let state: BurstState | undefined;
  for (const { at, used, context } of readings) {
    const result = step(state, used, at, parameters, context);
    state = result.state;
    events.push(...result.events);
  }
  return { events, state };
}

/** One reading each 10 ms; `used` in MiB as a function of seconds. */
const every10ms = (seconds: number, used: (at: number) => number, context?: BurstContext): Reading[] =>
  Array.from({ length: Math.round(seconds * 100) + 1 }, (_, index) => ({
    at: index * 10_000,
    used: Math.round(used(index / 100) * MIB),
    ...(context && { context }),
  }));

const kinds = (events: readonly BurstEvent[]) => events.map(({ kind }) => kind).join(' ');
const ramp = (from: number, to: number, begin: number, end: number) => (at: number) =>
  from + (to - from) * Math.min(1, Math.max(0, (at - begin) / (end - begin)));

describe('the burst detector', () => {
  it('tells a rise that falls again', () => {
    const up = ramp(0, 100, 1, 1.5);
    const { events } = run(every10ms(3, (at) => 50 + (at < 2 ? up(at) : 0)));
    assert.equal(kinds(events), 'start peak end');
    const [start, , end] = events;
    assert.ok(start?.kind === 'start' && end?.kind === 'end');
    assert.equal(start.cause, 'rise');
    assert.equal(start.baselineBytes / MIB > 49 && start.baselineBytes / MIB < 52, true);
    assert.equal(end.how, 'fell');
    assert.equal(end.peakBytes, 150 * MIB);
    assert.equal(end.peakAtMicros, 1_500_000);
    assert.equal(end.startedAtMicros, 1_000_000);
    assert.equal(end.durationMicros, 1_000_000);
  });

  it('calls a fast rise before it has reached the size that counts, and forecasts what comes', () => {
    const { events } = run(every10ms(2, ramp(50, 150, 1, 1.5)));
    const [start] = events;
    assert.ok(start?.kind === 'start');
    assert.ok(start.usedBytes - 50 * MIB < PARAMETERS.riseBytes);
    assert.ok(start.forecastBytes >= PARAMETERS.riseBytes);
    // At full rate, 200 MiB/s need 20 MiB within the horizon of 100 ms.
    const { state } = run(every10ms(1.4, ramp(50, 150, 1, 1.5)));
    assert.ok(state && Math.abs(state.riseRateBytesPerSecond / MIB - 200) < 1);
  });

  it('lets what stays become the baseline, from which the next burst is told', () => {
    const two = (at: number) => ramp(0, 50, 1, 1.2)(at) + ramp(0, 50, 4, 4.2)(at);
    const { events, state } = run(every10ms(6, two));
    assert.equal(kinds(events), 'start peak end start peak end');
    assert.ok(events.every((event) => event.kind !== 'end' || event.how === 'settled'));
    assert.ok(state && Math.abs(state.baselineBytes - 100 * MIB) < MIB);
  });

  it('takes a climb that goes on after a short halt for the same burst', () => {
    const stairs = (at: number) => ramp(0, 50, 1, 1.2)(at) + ramp(0, 50, 1.5, 1.7)(at);
    assert.equal(run(every10ms(3, stairs)).events.filter(({ kind }) => kind === 'start').length, 1);
  });

  it('leaves drift alone, however far it goes', () => {
    assert.deepEqual(run(every10ms(120, (at) => 50 + at * 2)).events, []);
  });

  it('calls a small rise when the headroom is about to run out', () => {
    const rise = ramp(50, 54, 1, 1.2);
    const roomy = run(every10ms(2, rise, { headroomBytes: 500 * MIB }));
    const tight = run(every10ms(2, rise, { headroomBytes: 17 * MIB }));
    assert.deepEqual(roomy.events, []);
    assert.ok(tight.events[0]?.kind === 'start' && tight.events[0].cause === 'headroom');
  });

  it('takes stalls of the domain itself as need, and those of the machine only if the domain rises', () => {
    const stalling = (scope: 'domain' | 'machine', used: (at: number) => number) =>
      every10ms(2, used).map((reading) => ({
        ...reading,
        context: { stall: { someTotalMicros: reading.at * 0.3, scope } },
      }));
    const own = run(stalling('domain', () => 50)).events[0];
    assert.ok(own?.kind === 'start' && own.cause === 'stall');
    assert.deepEqual(run(stalling('machine', () => 50)).events, []);
    const rising = run(stalling('machine', ramp(50, 53, 0.5, 1))).events[0];
    assert.ok(rising?.kind === 'start' && rising.cause === 'stall');
  });

  it('does not take old stall time for new', () => {
    const readings = every10ms(2, () => 50, { stall: { someTotalMicros: 9e9, scope: 'domain' } });
    assert.deepEqual(run(readings).events, []);
  });

  it('ignores a reading that is not later than the last', () => {
    const first = step(undefined, 10 * MIB, 1000, PARAMETERS);
    const second = step(first.state, 900 * MIB, 1000, PARAMETERS);
    assert.equal(second.state, first.state);
    assert.deepEqual(second.events, []);
  });

  it('says when the headroom will be gone', () => {
    const { state } = run(every10ms(1.4, ramp(50, 150, 1, 1.5)));
    assert.ok(Math.abs(exhaustedInMicros(state!, 100 * MIB)! - 500_000) < 5_000);
    assert.equal(exhaustedInMicros(run(every10ms(1, () => 50)).state!, MIB), undefined);
  });
});

function placed(steps: readonly { gap: number; used: number }[]): Reading[] {
  let at = 0;
  return steps.map(({ gap, used }) => {
    at += gap;
    return { at, used };
  });
}

/** Any trace: steps, falls, spikes, uneven distances. */
const anyTrace = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 400_000 }), used: fc.nat(600 * MIB) }), { maxLength: 120 })
  .map(placed);

describe('the burst detector, on any trace', () => {
  it('tells start, then peaks, then end, and never two starts without an end', () => {
    fc.assert(
      fc.property(anyTrace, (trace) => {
        assert.match(`${kinds(run(trace).events)} `, /^(start (peak )+end )*(start (peak )*)?$|^ $/);
      }),
    );
  });

  it('tells no burst on a flat trace with noise', () => {
    const quiet = fc.array(
      fc.record({ gap: fc.integer({ min: 1, max: 400_000 }), noise: fc.nat(PARAMETERS.noiseBytes) }),
    );
    fc.assert(
      fc.property(fc.nat(600 * MIB), quiet, (level, steps) => {
        const readings = placed(steps.map(({ gap, noise }) => ({ gap, used: level + noise })));
        assert.deepEqual(run(readings).events, []);
      }),
    );
  });

  it('tells ends that fit: peak above baseline, start before peak, no negative duration', () => {
    fc.assert(
      fc.property(anyTrace, (trace) => {
        for (const event of run(trace).events) {
          if (event.kind === 'start') assert.ok(event.startedAtMicros <= event.atMicros);
          if (event.kind !== 'end') continue;
          assert.ok(event.startedAtMicros <= event.peakAtMicros && event.peakAtMicros <= event.atMicros);
          assert.ok(event.durationMicros >= 0);
          assert.ok(event.riseBytes > 0 && event.riseBytes <= event.peakBytes);
        }
      }),
    );
  });

  it('tells the same when all of it happens later', () => {
    fc.assert(
      fc.property(anyTrace, fc.nat(1e9), (trace, shift) => {
        const shifted = run(trace.map(({ at, used }) => ({ at: at + shift, used }))).events;
        const expected = run(trace).events.map((event) => shiftTimes(event, shift));
        assert.deepEqual(shifted, expected);
      }),
    );
  });

  it('tells twice the bytes for a trace of twice the size, under parameters of twice the size', () => {
    const doubled = {
      ...PARAMETERS,
      riseBytes: bytes(2 * PARAMETERS.riseBytes),
      noiseBytes: bytes(2 * PARAMETERS.noiseBytes),
      reserveBytes: bytes(2 * PARAMETERS.reserveBytes),
    };
    fc.assert(
      fc.property(anyTrace, (trace) => {
        const large = run(
          trace.map(({ at, used }) => ({ at, used: 2 * used })),
          doubled,
        ).events;
        assert.deepEqual(large.map(outline(0.5, 1)), run(trace).events.map(outline(1, 1)));
      }),
    );
  });

  it('tells the same, half as fast, for a trace at half the speed under parameters of twice the time', () => {
    const slower = {
      ...PARAMETERS,
      baselineMicros: micros(2 * PARAMETERS.baselineMicros),
      settleMicros: micros(2 * PARAMETERS.settleMicros),
      rateMicros: micros(2 * PARAMETERS.rateMicros),
      horizonMicros: micros(2 * PARAMETERS.horizonMicros),
    };
    fc.assert(
      fc.property(anyTrace, (trace) => {
        const slow = run(
          trace.map(({ at, used }) => ({ at: 2 * at, used })),
          slower,
        ).events;
        assert.deepEqual(slow.map(outline(1, 0.5)), run(trace).events.map(outline(1, 1)));
      }),
    );
  });
});

function shiftTimes(event: BurstEvent, shift: number): BurstEvent {
  const moved = Object.entries(event).map(([key, value]) =>
    key === 'atMicros' || key === 'startedAtMicros' || key === 'peakAtMicros' ? [key, value + shift] : [key, value],
  );
  return Object.fromEntries(moved);
}

/** An event without the figures that are rounded to whole bytes on the way. */
const outline = (byteScale: number, timeScale: number) => (event: BurstEvent) => ({
  kind: event.kind,
  at: event.atMicros * timeScale,
  ...(event.kind === 'start' && { started: event.startedAtMicros * timeScale, used: event.usedBytes * byteScale }),
  ...(event.kind === 'peak' && { peakAt: event.peakAtMicros * timeScale, peak: event.peakBytes * byteScale }),
  ...(event.kind === 'end' && { how: event.how, lasted: event.durationMicros * timeScale }),
});
