import type { BurstParameters } from '../../pressure/burst-parameters.ts';
import type { MemoryTrace } from '../../pressure/trace.ts';

/**
 * The ground truth: which bursts a recording holds, labelled with the whole trace at hand.
 *
 * A burst is a rise of at least `riseBytes` within `baselineMicros`. It starts at the last instant that was within noise
 * of the lowest point of that time. It ends when half of its rise is gone, or where it stopped rising for `settleMicros`
 * (what stays is the new baseline). That is what the detector means by a burst too; but the detector must call it before
 * the rise is there, and from a baseline that it can only estimate.
 */
export type BurstDefinition = Pick<BurstParameters, 'riseBytes' | 'noiseBytes' | 'baselineMicros' | 'settleMicros'>;

export interface BurstLabel {
  readonly startMicros: number;
  readonly peakMicros: number;
  /** The fall to half, or the last new height of what settled, or the end of the trace. */
  readonly endMicros: number;
  /** When that was certain: `settleMicros` later for a burst that settled. The next one starts after this. */
  readonly closedMicros: number;
  readonly how: 'fell' | 'settled' | 'cut';
  readonly startBytes: number;
  readonly peakBytes: number;
}

/** All bursts of `trace`, in order; they do not overlap. */
export function labelBursts(trace: MemoryTrace, definition: BurstDefinition): BurstLabel[] {
  const labels: BurstLabel[] = [];
  const count = trace.atMicros.length;
  let floor = 0;
  for (let index = 0; index < count; index++) {
    const onset = onsetOf(trace, index, floor, definition);
    if (onset === undefined) continue;
    const { label, closedIndex } = followBurst(trace, onset, index, definition);
    labels.push(label);
    floor = closedIndex;
    index = closedIndex;
  }
  return labels;
}

/** Where the rise that is complete at `index` began; `undefined` if there is none. Looks back no further than `floor`. */
function onsetOf(
  { atMicros, usedBytes }: MemoryTrace,
  index: number,
  floor: number,
  { riseBytes, noiseBytes, baselineMicros }: BurstDefinition,
): number | undefined {
  const used = usedBytes[index]!;
  const from = atMicros[index]! - baselineMicros;
  let lowest = used;
  let first = index;
  while (first > floor && atMicros[first - 1]! >= from) lowest = Math.min(lowest, usedBytes[--first]!);
  if (used - lowest < riseBytes) return undefined;
  let onset = index;
  while (usedBytes[onset]! > lowest + noiseBytes) onset--;
  return onset;
}

function followBurst(
  { atMicros, usedBytes }: MemoryTrace,
  onset: number,
  confirmed: number,
  { noiseBytes, settleMicros }: BurstDefinition,
): { label: BurstLabel; closedIndex: number } {
  const startBytes = usedBytes[onset]!;
  const last = atMicros.length - 1;
  let peak = confirmed;
  let height = confirmed;
  const close = (how: BurstLabel['how'], endIndex: number, closedIndex: number) => ({
    closedIndex,
    label: {
      startMicros: atMicros[onset]!,
      peakMicros: atMicros[peak]!,
      endMicros: atMicros[endIndex]!,
      closedMicros: atMicros[closedIndex]!,
      how,
      startBytes,
      peakBytes: usedBytes[peak]!,
    },
  });
  for (let index = confirmed + 1; index <= last; index++) {
    const used = usedBytes[index]!;
    if (used > usedBytes[peak]!) peak = index;
    if (used > usedBytes[height]! + noiseBytes) height = index;
    if (used <= (startBytes + usedBytes[peak]!) / 2) return close('fell', index, index);
    if (atMicros[index]! - atMicros[height]! >= settleMicros) return close('settled', height, index);
  }
  return close('cut', last, last);
}
