/**
 * Memory in use over time, as recorded: parallel columns, instants strictly rising. Between two instants the value of
 * the earlier one holds (a step, as it was sampled).
 */
export interface MemoryTrace {
  /** Instants in microseconds from the start of the recording. */
  readonly atMicros: Float64Array;
  readonly usedBytes: Float64Array;
}

/** Index of the last instant that is not after `atMicros`; -1 before the first. */
export function indexAt(trace: MemoryTrace, atMicros: number): number {
  let low = 0;
  let high = trace.atMicros.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (trace.atMicros[middle]! <= atMicros) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** From the first instant to the last. 0 for a trace of fewer than two instants. */
export function durationMicros(trace: MemoryTrace): number {
  const count = trace.atMicros.length;
  return count < 2 ? 0 : trace.atMicros[count - 1]! - trace.atMicros[0]!;
}
