/** What is done for one request, counted: in the guest that asks, and in dom0. Emulated times distort; counts do not. */
import fs from 'node:fs';
import { MIB } from '../../../units.ts';
import {
  countsBetween,
  isEventSend,
  isHypercall,
  isWakeUp,
  type KernelCount,
  KernelTrace,
  total,
} from './kernel-trace.ts';

/** Of one domain. */
export interface DomainCounts {
  /** Events among them. */
  readonly hypercalls: number;
  /** Events to another domain; dom0 sleeps on unless one comes. */
  readonly event_sends: number;
  /** Of programs, and of the kernel's balloon; the kernel's other threads keep house. */
  readonly wake_ups: number;
}

/** Counts what all threads of this domain do, between `start` and `stop`. */
export class DomainCounter {
  readonly #trace: KernelTrace;
  readonly #isOwn: (pid: number) => boolean;
  #before: readonly KernelCount[] = [];

  private constructor(trace: KernelTrace, isOwn: (pid: number) => boolean) {
    this.#trace = trace;
    this.#isOwn = isOwn;
  }

  /** @param leaveOutOwn wake-ups of this program, which looks every other millisecond how far the balloon is. */
  static open({ leaveOutOwn = false } = {}): DomainCounter {
    const isOwn = leaveOutOwn
      ? (pid: number): boolean => fs.existsSync(`/proc/self/task/${pid}`)
      : (): boolean => false;
    return new DomainCounter(KernelTrace.open(), isOwn);
  }

  start(): void {
    this.#before = this.#trace.read();
  }

  stop(): DomainCounts {
    const counts = countsBetween(this.#before, this.#trace.read());
    return {
      hypercalls: total(counts, isHypercall),
      event_sends: total(counts, isEventSend),
      wake_ups: total(counts, (count) => isWakeUp(count) && !this.#isOwn(count.pid) && !keepsHouse(count.pid)),
    };
  }

  close(): void {
    this.#trace.close();
  }
}

/** Kernel threads have no command line. A thread that is gone was a program's. */
function keepsHouse(pid: number): boolean {
  try {
    const isKernel = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1') === '';
    return isKernel && fs.readFileSync(`/proc/${pid}/comm`, 'latin1').trim() !== 'xen-balloon';
  } catch {
    return false;
  }
}

/** What this program's first touches cost: faults, and the pages that the kernel zeroed for them. */
export interface TouchCounts {
  readonly faults: number;
  readonly zeroed_bytes: number;
}

const HUGE_PAGE_BYTES = 2 * MIB;

/** @param pageBytes of the kernel. @returns ends the count. */
export function countTouches(pageBytes: number): () => TouchCounts {
  const [faultsBefore, hugeBefore] = [process.resourceUsage().minorPageFault, hugeFaults()];
  return () => {
    const faults = process.resourceUsage().minorPageFault - faultsBefore;
    const huge = hugeFaults() - hugeBefore;
    return { faults, zeroed_bytes: Math.max(0, faults - huge) * pageBytes + huge * HUGE_PAGE_BYTES };
  };
}

function hugeFaults(): number {
  const [, count] = /^thp_fault_alloc (\d+)$/m.exec(fs.readFileSync('/proc/vmstat', 'latin1')) ?? [];
  return Number(count ?? 0);
}

/** The median of each figure by itself. @param rounds at least one. */
export function medianOf<Figures extends object>(rounds: readonly Figures[]): Figures {
  const middle = (key: string): number => {
    const sorted = rounds.map((round) => (round as Record<string, number>)[key]!).sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)]!;
  };
  return Object.fromEntries(Object.keys(rounds[0]!).map((key) => [key, middle(key)])) as Figures;
}
