import { percentile } from '../../latency/percentiles.ts';
import { type BurstState, step } from '../../pressure/burst-detector.ts';
import type { BurstParameters } from '../../pressure/burst-parameters.ts';
import { isAlert, type SamplingRate } from '../../pressure/sampling-rate.ts';
import type { MemoryTrace } from '../../pressure/trace.ts';
import { type BurstLabel, labelBursts } from './labels.ts';

/** How well the detector does on a recording, against the labels made from the whole of it. */
export interface DetectorScore {
  readonly labelled: number;
  readonly detected: number;
  /** Share of the detections that fall into a labelled burst. Absent when nothing was detected. */
  readonly precision?: number;
  /** Share of the labelled bursts that were detected. Absent when there are none. */
  readonly recall?: number;
  /** From a burst's start to its first detection. */
  readonly delayP50Micros?: number;
  readonly delayP99Micros?: number;
  /** From the first detection to the peak: the time that is left to bring memory. Negative if it came after the peak. */
  readonly leadP50Micros?: number;
  /** Readings that were taken; fewer than the recording has where the rate adapts. */
  readonly samples: number;
}

/**
 * Runs the detector over a trace.
 * @param rate the sampler's adaptive rate, so that the delay of slow sampling counts; absent: every sample is read.
 */
export function scoreDetector(trace: MemoryTrace, parameters: BurstParameters, rate?: SamplingRate): DetectorScore {
  const labels = labelBursts(trace, parameters);
  const { starts, samples } = detections(trace, parameters, rate);
  const hits = starts.map((at) => labels.find((label) => isWithin(label, at)));
  const firstHits = new Map<BurstLabel, number>();
  hits.forEach((label, index) => {
    if (label && !firstHits.has(label)) firstHits.set(label, starts[index]!);
  });
  const delays = [...firstHits].map(([label, at]) => at - label.startMicros);
  const leads = [...firstHits].map(([label, at]) => label.peakMicros - at);
  return {
    labelled: labels.length,
    detected: starts.length,
    samples,
    ...(starts.length > 0 && { precision: hits.filter((label) => label).length / starts.length }),
    ...(labels.length > 0 && { recall: firstHits.size / labels.length }),
    ...(delays.length > 0 && {
      delayP50Micros: percentile(delays, 0.5)!,
      delayP99Micros: percentile(delays, 0.99)!,
      leadP50Micros: percentile(leads, 0.5)!,
    }),
  };
}

const isWithin = ({ startMicros, closedMicros }: BurstLabel, at: number): boolean =>
  at >= startMicros && at <= closedMicros;

function detections(trace: MemoryTrace, parameters: BurstParameters, rate: SamplingRate | undefined) {
  const starts: number[] = [];
  let samples = 0;
  let state: BurstState | undefined;
  let alertUntil = Number.NEGATIVE_INFINITY;
  let dueAt = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < trace.atMicros.length; index++) {
    const at = trace.atMicros[index]!;
    if (at < dueAt) continue;
    samples++;
    const result = step(state, trace.usedBytes[index]!, at, parameters);
    state = result.state;
    for (const event of result.events) if (event.kind === 'start') starts.push(event.atMicros);
    if (!rate) continue;
    if (isAlert(state, undefined, parameters)) alertUntil = at + rate.lingerMicros;
    dueAt = at + (at < alertUntil ? rate.alertMicros : rate.quietMicros);
  }
  return { starts, samples };
}

/**
 * CPU time of one detector step, averaged over at least `atLeastSteps` of them on this trace.
 * @param cpuMicros CPU time of this thread so far.
 */
export function detectorCpuMicros(
  trace: MemoryTrace,
  parameters: BurstParameters,
  cpuMicros: () => number,
  atLeastSteps = 50_000,
): number {
  const passes = Math.max(1, Math.ceil(atLeastSteps / trace.atMicros.length));
  detections(trace, parameters, undefined); // Compiled before it is timed.
  const before = cpuMicros();
  for (let pass = 0; pass < passes; pass++) detections(trace, parameters, undefined);
  return (cpuMicros() - before) / (passes * trace.atMicros.length);
}
