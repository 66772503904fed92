import { memset } from '../../../native/libc.ts';
import { mapPrivate, unmapPrivate } from '../../../native/mapping.ts';
import type { Bytes } from '../../../units.ts';
import type { XenBench, XenCase } from './case.ts';

/** One request of a case, from a guest that holds `held` and asks for `by` more. */
export interface XenRequest {
  readonly each: XenCase;
  readonly held: Bytes;
  readonly by: Bytes;
}

/**
 * Brings the guest to where it asks from, does `how`, and ends what the case has begun, also where it has failed. Nothing
 * but `how` is timed or counted.
 */
export async function atRequest<T>(bench: XenBench, request: XenRequest, how: () => Promise<T>): Promise<T> {
  try {
    await prepare(bench, request);
    return await how();
  } finally {
    await request.each.after?.(bench);
  }
}

async function prepare(bench: XenBench, { each, held, by }: XenRequest): Promise<void> {
  await bench.dom0.call('setCap', { bytes: Math.max(held, bench.driver.current()) });
  await bench.resize(held);
  await each.before?.(bench, held, by);
}

/** The request, until all of it is touched. @returns microseconds until it was usable, and of the touch. */
export async function serve(
  bench: XenBench,
  { each, held, by }: XenRequest,
): Promise<{ readonly usable: number; readonly touch: number }> {
  const started = performance.now();
  await each.take(bench, held, by);
  const usable = performance.now();
  (each.touch ?? touchFresh)(by);
  return { usable: (usable - started) * 1000, touch: (performance.now() - usable) * 1000 };
}

/** Fresh pages of a program: what it costs to use memory once it is there. */
function touchFresh(size: Bytes): void {
  const mapping = mapPrivate(size, { what: 'memory that the bench touches' });
  memset(mapping.address, 1, size);
  unmapPrivate(mapping);
}
