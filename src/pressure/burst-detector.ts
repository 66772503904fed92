import type { Scope } from '../records.ts';
import { type Bytes, bytes, micros } from '../units.ts';
import type { BurstCause, BurstEnd, BurstEvent, BurstPeak, BurstStart } from './burst-events.ts';
import type { BurstParameters } from './burst-parameters.ts';

/**
 * Finds bursts of memory need while they happen. A fold: it takes a state and a reading and returns the next state and
 * what happened; no clock, no effects, constant time and space.
 *
 *       used                peak
 *         |               .--*--.
 *         |             ./       \
 *         |  start    ./          \  end (half of the rise is gone, or no more rise for a while)
 *         |     *---./             *--
 *         |....................................  baseline
 *
 * A burst is called as soon as the rise so far, and what the present rate adds within the horizon, reach the smallest
 * rise that counts; or when the headroom would run out within the horizon; or, as the backstop, when the kernel says
 * that programs stall. PSI speaks 50 ms to 2 s late, so it never leads.
 */
export type * from './burst-events.ts';

/** What else is known at a reading. */
export interface BurstContext {
  /** How much more the domain can take. */
  readonly headroomBytes?: number;
  readonly stall?: { readonly someTotalMicros: number; readonly scope: Scope };
}

interface OpenBurst {
  readonly startedAtMicros: number;
  readonly baselineBytes: number;
  readonly peakBytes: number;
  readonly peakAtMicros: number;
  /** Whether the peak was told since it was last reached. */
  readonly peakTold: boolean;
  /** The last height that was more than noise above the one before, and when: what "still rising" means. */
  readonly heightBytes: number;
  readonly heightAtMicros: number;
}

export interface BurstState {
  readonly atMicros: number;
  readonly usedBytes: number;
  readonly baselineBytes: number;
  /** Smoothed, signed. */
  readonly riseRateBytesPerSecond: number;
  readonly quietAtMicros: number;
  readonly stallSince: { readonly atMicros: number; readonly totalMicros: number } | undefined;
  readonly burst: OpenBurst | undefined;
}

export interface BurstStep {
  readonly state: BurstState;
  readonly events: readonly BurstEvent[];
}

const SECOND_MICROS = 1_000_000;
const NOTHING: readonly BurstEvent[] = [];

/**
 * @param state what the last step returned; `undefined` for the first reading, which is the first baseline.
 * @param atMicros a reading that is not later than the last one is ignored.
 */
export function step(
  state: BurstState | undefined,
  usedBytes: number,
  atMicros: number,
  parameters: BurstParameters,
  context: BurstContext = {},
): BurstStep {
  if (state === undefined) return { state: initial(usedBytes, atMicros, context), events: NOTHING };
  const elapsed = atMicros - state.atMicros;
  if (!(elapsed > 0)) return { state, events: NOTHING };
  const instantRate = ((usedBytes - state.usedBytes) / elapsed) * SECOND_MICROS;
  const riseRateBytesPerSecond = towards(state.riseRateBytesPerSecond, instantRate, elapsed / parameters.rateMicros);
  const { stalled, stallSince } = stall(state, atMicros, parameters, context);
  const next = { ...state, atMicros, usedBytes, riseRateBytesPerSecond, stallSince };
  return state.burst
    ? during(next, state.burst, stalled, parameters)
    : before(next, elapsed, stalled, parameters, context);
}

function initial(usedBytes: number, atMicros: number, { stall }: BurstContext): BurstState {
  return {
    atMicros,
    usedBytes,
    baselineBytes: usedBytes,
    riseRateBytesPerSecond: 0,
    quietAtMicros: atMicros,
    stallSince: stall && { atMicros, totalMicros: stall.someTotalMicros },
    burst: undefined,
  };
}

/** Nothing is going on: let the baseline follow, and look for a start. */
function before(
  state: BurstState,
  elapsed: number,
  stalled: boolean,
  parameters: BurstParameters,
  context: BurstContext,
): BurstStep {
  const { usedBytes, atMicros } = state;
  // Down at once, up slowly: memory that was given back is no longer need, memory that was taken may be a burst.
  const baselineBytes = Math.min(
    usedBytes,
    towards(state.baselineBytes, usedBytes, elapsed / parameters.baselineMicros),
  );
  const rise = usedBytes - baselineBytes;
  const quiet = rise <= parameters.noiseBytes;
  const next = { ...state, baselineBytes, quietAtMicros: quiet ? atMicros : state.quietAtMicros };
  const cause = startCause(next, rise, stalled, parameters, context);
  if (cause === undefined) return { state: next, events: NOTHING };
  const start: BurstStart = {
    kind: 'start',
    atMicros: micros(atMicros),
    startedAtMicros: micros(next.quietAtMicros),
    cause,
    baselineBytes: bytes(Math.round(baselineBytes)),
    usedBytes: bytes(usedBytes),
    riseRateBytesPerSecond: next.riseRateBytesPerSecond,
    forecastBytes: forecastBytes(next, parameters),
  };
  const burst: OpenBurst = {
    startedAtMicros: next.quietAtMicros,
    baselineBytes,
    peakBytes: usedBytes,
    peakAtMicros: atMicros,
    peakTold: false,
    heightBytes: usedBytes,
    heightAtMicros: atMicros,
  };
  return { state: { ...next, burst }, events: [start] };
}

function startCause(
  state: BurstState,
  rise: number,
  stalled: boolean,
  parameters: BurstParameters,
  { headroomBytes, stall }: BurstContext,
): BurstCause | undefined {
  const climb = climbBytes(state, parameters);
  const rising = rise > parameters.noiseBytes;
  if (rising && rise + climb >= parameters.riseBytes) return 'rise';
  if (rising && climb > 0 && headroomBytes !== undefined && headroomBytes - climb < parameters.reserveBytes) {
    return 'headroom';
  }
  // Stalls of the whole machine may be somebody else's: this domain must be rising as well.
  if (stalled && (stall?.scope === 'domain' || rising)) return 'stall';
  return undefined;
}

/** A burst is going on: follow its height, and look for its peak and end. */
function during(state: BurstState, open: OpenBurst, stalled: boolean, parameters: BurstParameters): BurstStep {
  const { usedBytes, atMicros } = state;
  const events: BurstEvent[] = [];
  let burst = open;
  if (usedBytes > burst.peakBytes) burst = { ...burst, peakBytes: usedBytes, peakAtMicros: atMicros, peakTold: false };
  if (stalled || usedBytes > burst.heightBytes + parameters.noiseBytes) {
    burst = { ...burst, heightBytes: Math.max(usedBytes, burst.heightBytes), heightAtMicros: atMicros };
  }
  const rise = burst.peakBytes - burst.baselineBytes;
  const fell = usedBytes <= burst.baselineBytes + rise / 2 && usedBytes < burst.peakBytes;
  const settled = atMicros - burst.heightAtMicros >= parameters.settleMicros;
  const pastPeak = fell || settled || usedBytes < burst.peakBytes - parameters.noiseBytes;
  if (pastPeak && !burst.peakTold) {
    burst = { ...burst, peakTold: true };
    events.push(peakEvent(state, burst));
  }
  if (!fell && !settled) return { state: { ...state, burst }, events };
  events.push(endEvent(state, burst, fell ? 'fell' : 'settled', rise));
  return {
    state: { ...state, baselineBytes: usedBytes, quietAtMicros: atMicros, burst: undefined },
    events,
  };
}

const peakEvent = (state: BurstState, burst: OpenBurst): BurstPeak => ({
  kind: 'peak',
  atMicros: micros(state.atMicros),
  peakAtMicros: micros(burst.peakAtMicros),
  peakBytes: bytes(burst.peakBytes),
});

function endEvent(state: BurstState, burst: OpenBurst, how: BurstEnd['how'], rise: number): BurstEnd {
  const endedAt = how === 'fell' ? state.atMicros : burst.heightAtMicros;
  return {
    kind: 'end',
    atMicros: micros(state.atMicros),
    how,
    startedAtMicros: micros(burst.startedAtMicros),
    peakAtMicros: micros(burst.peakAtMicros),
    peakBytes: bytes(burst.peakBytes),
    riseBytes: bytes(Math.round(rise)),
    durationMicros: micros(endedAt - burst.startedAtMicros),
  };
}

/** What the present rate adds within the horizon; 0 when falling. */
const climbBytes = (state: BurstState, { horizonMicros }: BurstParameters): number =>
  (Math.max(0, state.riseRateBytesPerSecond) * horizonMicros) / SECOND_MICROS;

/** What will be needed on top of what is used, within the horizon: never less than the smallest rise that counts. */
export function forecastBytes(state: BurstState, parameters: BurstParameters): Bytes {
  return bytes(Math.ceil(Math.max(parameters.riseBytes, climbBytes(state, parameters))));
}

/** Microseconds until `headroomBytes` is used up at the present rate; `undefined` while memory does not rise. */
export function exhaustedInMicros(state: BurstState, headroomBytes: number): number | undefined {
  if (state.riseRateBytesPerSecond <= 0) return undefined;
  return (headroomBytes / state.riseRateBytesPerSecond) * SECOND_MICROS;
}

/** Whether stall time since the mark has passed the threshold. The mark is set anew each second, and after a yes. */
function stall(
  { stallSince }: BurstState,
  atMicros: number,
  { stallMicrosPerSecond }: BurstParameters,
  context: BurstContext,
): { stalled: boolean; stallSince: BurstState['stallSince'] } {
  if (context.stall === undefined) return { stalled: false, stallSince };
  const totalMicros = context.stall.someTotalMicros;
  if (stallSince === undefined) return { stalled: false, stallSince: { atMicros, totalMicros } };
  const stalled = totalMicros - stallSince.totalMicros >= stallMicrosPerSecond;
  const over = stalled || atMicros - stallSince.atMicros >= SECOND_MICROS;
  return { stalled, stallSince: over ? { atMicros, totalMicros } : stallSince };
}

/** Exponential smoothing for readings at uneven distances; `times` is the distance in time constants. */
const towards = (from: number, to: number, times: number): number => from + (to - from) * -Math.expm1(-times);
