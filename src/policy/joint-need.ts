/**
 * The domains' bursts side by side on one time axis: how much each domain needs above its baseline at every moment.
 * Sizing reads nothing else. Two ways lead here: a history of bursts (size, start, end), and the traces of recordings
 * sampled on a common clock. A moment is a sample, or a stretch in which no burst begins or ends.
 */

/** One burst of the history. It is taken to need its peak for its whole life, which errs to the safe side. */
export interface BurstInterval {
  /** Index of the domain. */
  readonly domain: number;
  readonly startMicros: number;
  /** After `startMicros`. */
  readonly endMicros: number;
  /** Peak above the domain's baseline. */
  readonly bytes: number;
}

export interface JointBurst {
  readonly domain: number;
  /** Moments `[from, to)`. */
  readonly from: number;
  readonly to: number;
  /** The domain's largest need during it, in bytes. */
  readonly peakBytes: number;
}

export interface JointNeed {
  /** Bytes above the baseline: one array per domain, one element per moment. */
  readonly needBytes: readonly Float64Array[];
  readonly bursts: readonly JointBurst[];
}

/** @param domains how many there are; every burst's `domain` is below it. */
export function jointNeedOfBursts(history: readonly BurstInterval[], domains: number): JointNeed {
  const edges = new Set<number>();
  for (const { startMicros, endMicros } of history) edges.add(startMicros).add(endMicros);
  const times = [...edges].sort((a, b) => a - b);
  const moment = new Map(times.map((time, index) => [time, index]));
  const needBytes = Array.from({ length: domains }, () => new Float64Array(times.length));

  const spans = history.map((burst) => {
    const from = moment.get(burst.startMicros)!;
    const to = moment.get(burst.endMicros)!;
    const need = needBytes[burst.domain]!;
    for (let at = from; at < to; at++) need[at] = need[at]! + burst.bytes;
    return { domain: burst.domain, from, to };
  });
  return { needBytes, bursts: spans.map((span) => withPeak(span, needBytes[span.domain]!)) };
}

/**
 * @param traces bytes above the baseline, one array per domain, sampled at the same instants; shorter ones end in
 * quiet. Each unbroken run of samples above 0 is one burst.
 */
export function jointNeedOfTraces(traces: readonly Float64Array[]): JointNeed {
  const moments = traces.reduce((most, trace) => Math.max(most, trace.length), 0);
  const needBytes = traces.map((trace) => {
    const need = new Float64Array(moments);
    need.set(trace);
    return need;
  });
  const bursts = needBytes.flatMap((need, domain) => runsAboveZero(need, domain));
  return { needBytes, bursts };
}

function runsAboveZero(need: Float64Array, domain: number): JointBurst[] {
  const bursts: JointBurst[] = [];
  let from = -1;
  for (let at = 0; at <= need.length; at++) {
    const bursting = at < need.length && need[at]! > 0;
    if (bursting && from < 0) from = at;
    if (!bursting && from >= 0) {
      bursts.push(withPeak({ domain, from, to: at }, need));
      from = -1;
    }
  }
  return bursts;
}

function withPeak(span: Omit<JointBurst, 'peakBytes'>, need: Float64Array): JointBurst {
  let peakBytes = 0;
  for (let at = span.from; at < span.to; at++) peakBytes = Math.max(peakBytes, need[at]!);
  return { ...span, peakBytes };
}
