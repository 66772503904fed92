import { BorrowRefused } from '../../client/connection.ts';
import type { Lease } from '../../client/lease.ts';
import type { BenchMachine } from './bench-machine.ts';
import { microsSince, type TimedCase } from './timed-case.ts';

/** What a process gets from memtide when its own domain has nothing: from a donor, or nothing. */

/** Everything is in the donor's cache: requester, back end, donor, back end, requester, and the touch. */
export function tier2(machine: BenchMachine, name: 'tier2' | 'tier2-4k'): TimedCase {
  let lease: Lease | undefined;
  return {
    name,
    fits: (bytes) => bytes <= machine.arenaBytes,
    prepare: (bytes) => machine.fillDonor(bytes),
    sample(bytes) {
      const before = performance.now();
      lease = machine.app.borrowSync(bytes, { deadline: 2000 });
      lease.fill(1);
      const micros = microsSince(before);
      // A request that waited for no donor was served from somewhere else, and is no sample of tier 2.
      return (lease.stages.releaseMicros ?? 0) > 0 ? micros : Number.NaN;
    },
    stages() {
      const { notifyMicros, decideMicros, releaseMicros, populateMicros } = lease!.stages;
      return {
        notify: notifyMicros ?? 0,
        decide: decideMicros ?? 0,
        release: releaseMicros ?? 0,
        populate: populateMicros ?? 0,
        touch: lease!.touchMicros ?? 0,
      };
    },
    finish: () => lease?.release(),
  };
}

/** Nothing to claim and nobody who lets go (`BenchMachine.exhaust`): how long until the application knows. */
export function tier1Empty(machine: BenchMachine): TimedCase {
  return {
    name: 'tier1-empty',
    fits: (bytes) => bytes <= machine.arenaBytes,
    sample(bytes) {
      const before = performance.now();
      try {
        machine.app.borrowSync(bytes, { deadline: 100 }).release();
        return Number.NaN;
      } catch (error) {
        const micros = microsSince(before);
        if (error instanceof BorrowRefused && error.refusal === 'pool-empty') return micros;
        throw error;
      }
    },
  };
}
