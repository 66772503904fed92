import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  madvise,
  memset,
  mmap,
  munmap,
  PROT_READ_WRITE,
} from '../native/libc.ts';
import type { LocalProbe } from '../records.ts';
import { type Bytes, formatBytes, MIB, roundUp } from '../units.ts';

/**
 * Times a local allocation of the same size as a burst, in the same domain: what the burst is compared with.
 * Fresh: pages straight from the kernel, as malloc gives them above its mmap threshold. Best: the faster of writing the
 * same pages again (warm reuse) and of fresh huge pages.
 */
const HUGE_BYTES = 2 * MIB;

/** What a probe would take from the domain, and what it has. */
export interface ProbeRoom {
  /** What the domain could still hold within its budget; absent where nothing bounds it. */
  readonly headroomBytes?: number;
  /** What the machine could still give. */
  readonly availableBytes?: number;
}

/** @returns why a probe of this size must not be made now, or undefined. Twice its size must be free on both counts. */
export function probeRefusal(byteLength: Bytes, room: ProbeRoom): string | undefined {
  for (const [name, free] of [
    ['the domain', room.headroomBytes],
    ['the machine', room.availableBytes],
  ] as const) {
    if (free !== undefined && free < 2 * byteLength) {
      return `${name} has ${formatBytes(Math.max(0, free))} free, less than twice ${formatBytes(byteLength)}`;
    }
  }
  return undefined;
}

/** Allocates and touches; the thread is busy meanwhile, so it is done at a quiet moment. */
export function probeLocal(byteLength: Bytes): LocalProbe {
  const fresh = mmap(0, byteLength, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fresh === -1) return { kind: 'skipped', reason: 'the domain was refused the memory' };
  const freshMicros = touchMicros(fresh, byteLength);
  const warmMicros = touchMicros(fresh, byteLength);
  munmap(fresh, byteLength);
  const hugeMicros = byteLength >= HUGE_BYTES ? touchHugeMicros(byteLength) : Number.POSITIVE_INFINITY;
  const bestWay = hugeMicros < warmMicros ? 'huge' : 'warm';
  return { kind: 'measured', freshMicros, bestMicros: Math.min(hugeMicros, warmMicros), bestWay };
}

function touchHugeMicros(byteLength: number): number {
  const before = performance.now();
  const mapped = mmap(0, byteLength + HUGE_BYTES, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped === -1) return Number.POSITIVE_INFINITY;
  const aligned = roundUp(mapped, HUGE_BYTES);
  madvise(aligned, byteLength, MADV_HUGEPAGE);
  memset(aligned, 1, byteLength);
  const micros = (performance.now() - before) * 1000;
  munmap(mapped, byteLength + HUGE_BYTES);
  return micros;
}

function touchMicros(address: number, byteLength: number): number {
  const before = performance.now();
  memset(address, 1, byteLength);
  return (performance.now() - before) * 1000;
}
