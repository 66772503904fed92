import { z } from 'zod';
import { percentile, summarize } from '../../latency/percentiles.ts';

/** Latencies of the same thing in two states of the machine, taken in alternation. */
const figure = z.number().nonnegative();

export const tailSchema = z.object({
  n: z.int().nonnegative(),
  p50_us: figure,
  /** From 1,000 samples on. */
  p99_us: figure.optional(),
  /** From 10,000 samples on. */
  p999_us: figure.optional(),
  max_us: figure,
});
export type Tail = z.infer<typeof tailSchema>;

const SAMPLES_FOR_P999 = 10_000;

/** @param micros NaN for a sample that is none. @returns undefined for no samples. */
export function tailOf(micros: readonly number[]): Tail | undefined {
  const samples = micros.filter((sample) => !Number.isNaN(sample));
  const summary = summarize(samples);
  if (!summary) return undefined;
  const { n, p50, p99, max } = summary;
  return {
    n,
    p50_us: p50,
    ...(p99 === undefined ? {} : { p99_us: p99 }),
    ...(n < SAMPLES_FOR_P999 ? {} : { p999_us: percentile(samples, 0.999)! }),
    max_us: max,
  };
}

/** Samples by what was measured and in which state. */
export class SampleBook<State extends string> {
  readonly #samples = new Map<string, number[]>();

  add(what: string, state: State, micros: readonly number[]): void {
    const key = `${what}\n${state}`;
    const samples = this.#samples.get(key);
    if (!samples) this.#samples.set(key, [...micros]);
    else for (const sample of micros) samples.push(sample);
  }

  tail(what: string, state: State): Tail | undefined {
    return tailOf(this.#samples.get(`${what}\n${state}`) ?? []);
  }
}
