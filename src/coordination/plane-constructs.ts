import type { SessionGroup } from '../native/session-group.ts';
import type { SchedulingPolicy, ThreadScheduler, ThreadScheduling } from '../native/thread-scheduling.ts';
import { raiseLimit } from './raise-limit.ts';

/**
 * Scheduler constructs: what the operating system is asked for so that the fast plane runs soon although programs keep
 * the CPUs busy. What is refused is reported, and the plane runs without it.
 */
export interface PlaneScheduling {
  /** −20 to 19. */
  readonly nice?: number;
  readonly policy?: SchedulingPolicy;
  /** 1 to 99, for `fifo`. */
  readonly fifoPriority?: number;
  /** The one CPU to run on. */
  readonly cpu?: number;
  /** Time to look at the doorbell before sleeping. */
  readonly spinMicros?: number;
}

export interface ConstructReport {
  /** `session`: the niceness of the session among others, where the kernel schedules sessions as groups. */
  readonly construct: 'nice' | 'session' | 'policy' | 'cpu' | 'spin';
  /** As asked for: `-15`, `fifo 10`, `CPU 2`, `50 µs`. */
  readonly wanted: string;
  /** As the kernel says afterwards, in the same form. */
  readonly in_force: string;
  /** Why it is not what was wanted: the name of the errno. */
  readonly refused?: string;
  /** What the user can do about it. */
  readonly mend?: string;
}

export interface ConstructSites {
  readonly thread: ThreadScheduler;
  readonly session: SessionGroup;
  /** Sets how long the plane looks at its doorbell before sleeping. @returns false where the doorbell cannot be looked at. */
  readonly spin: (micros: number) => boolean;
  /** Bounds the real-time run of this process; RLIMIT_RTTIME. @returns how to lift the bound, or why there is none. */
  readonly boundRealtime: () => { readonly lift: () => void } | { readonly errno: string };
}

export const DEFAULT_FIFO_PRIORITY = 10;

/** Applies constructs to the calling thread, reads back what is in force, and can undo all of it. */
export class PlaneConstructs {
  readonly #sites: ConstructSites;
  #before: ThreadScheduling | undefined;
  #sessionBefore: number | undefined;
  #liftBound: (() => void) | undefined;
  #priority = 0;

  constructor(sites: ConstructSites) {
    this.#sites = sites;
  }

  /** Priority of SCHED_FIFO in force; 0 for none. */
  get fifoPriority(): number {
    return this.#priority;
  }

  /** In place of what was applied before. Never throws: what is refused is in the report. */
  apply(wanted: PlaneScheduling): ConstructReport[] {
    this.undo();
    const { thread } = this.#sites;
    this.#before = thread.read();
    const reports: ConstructReport[] = [];
    if (wanted.cpu !== undefined) reports.push(this.#pin(wanted.cpu));
    if (wanted.nice !== undefined) reports.push(this.#nice(wanted.nice), ...this.#sessionNice(wanted.nice));
    if (wanted.policy !== undefined) reports.push(this.#policy(wanted.policy, wanted.fifoPriority));
    if ((wanted.spinMicros ?? 0) > 0) reports.push(this.#spin(wanted.spinMicros!));
    return reports;
  }

  /** Puts everything back to what it was before the first `apply`, as far as the rights go. */
  undo(): void {
    const { thread, session, spin } = this.#sites;
    if (!this.#before) return;
    const { nice, policy, priority, cpus } = this.#before;
    const now = thread.read();
    // A policy that memtide does not know was left alone, and is again.
    if (policy !== 'another' && now.policy !== policy) thread.setPolicy(policy, priority);
    if (now.nice !== nice) thread.setNice(nice);
    if (this.#sessionBefore !== undefined) session.setNice(this.#sessionBefore);
    this.#sessionBefore = undefined;
    if (now.cpus.join() !== cpus.join()) thread.setCpus(cpus);
    spin(0);
    this.#liftBound?.();
    this.#liftBound = undefined;
    this.#priority = 0;
    this.#before = undefined;
  }

  #pin(cpu: number): ConstructReport {
    const errno = this.#sites.thread.setCpus([cpu]);
    const { cpus } = this.#sites.thread.read();
    const found = cpus.length === 1 ? `CPU ${cpus[0]}` : `any of ${cpus.length} CPUs`;
    return report('cpu', `CPU ${cpu}`, found, errno, `set fast_plane.cpu to one of ${rangesOf(this.#before!.cpus)}`);
  }

  #nice(nice: number): ConstructReport {
    const errno = this.#sites.thread.setNice(nice);
    return report('nice', String(nice), String(this.#sites.thread.read().nice), errno, raiseLimit('nice'));
  }

  /** Only in a session of one's own: memtide does not reschedule what a user runs beside it in a terminal. */
  #sessionNice(nice: number): ConstructReport[] {
    const { session } = this.#sites;
    const before = session.readNice();
    if (before === undefined) return [];
    if (!session.leads()) {
      return [report('session', String(nice), String(before), 'EPERM', LEAD_A_SESSION)];
    }
    const errno = session.setNice(nice);
    if (errno === undefined) this.#sessionBefore = before;
    return [report('session', String(nice), String(session.readNice()), errno, raiseLimit('nice'))];
  }

  #policy(policy: SchedulingPolicy, priority = DEFAULT_FIFO_PRIORITY): ConstructReport {
    const { thread, boundRealtime } = this.#sites;
    const wanted = policy === 'fifo' ? `fifo ${priority}` : policy;
    if (policy === 'fifo') {
      // First the bound: without one there is no real-time thread.
      const bound = boundRealtime();
      if ('errno' in bound) return report('policy', wanted, nameOf(thread.read()), bound.errno, raiseLimit('rtprio'));
      this.#liftBound = bound.lift;
    }
    const errno = thread.setPolicy(policy, policy === 'fifo' ? priority : 0);
    const now = thread.read();
    this.#priority = now.policy === 'fifo' ? now.priority : 0;
    if (this.#priority === 0) {
      this.#liftBound?.();
      this.#liftBound = undefined;
    }
    return report('policy', wanted, nameOf(now), errno, raiseLimit('rtprio'));
  }

  #spin(micros: number): ConstructReport {
    const wanted = `${micros} µs`;
    if (this.#sites.spin(micros)) return { construct: 'spin', wanted, in_force: wanted };
    return report(
      'spin',
      wanted,
      '0 µs',
      'ENOTSUP',
      'set fast_plane.doorbell to "futex": a named pipe is not looked at',
    );
  }
}

const LEAD_A_SESSION =
  'start the agent as a service or by setsid, or set kernel.sched_autogroup_enabled to 0: niceness counts within a session only';

/** @param errno of the call that failed; a call that succeeded and did nothing counts as refused as well. */
function report(
  construct: ConstructReport['construct'],
  wanted: string,
  found: string,
  errno: string | undefined,
  mend: string,
): ConstructReport {
  if (errno === undefined && found === wanted) return { construct, wanted, in_force: found };
  return { construct, wanted, in_force: found, refused: errno ?? 'no effect', mend };
}

const nameOf = ({ policy, priority }: ThreadScheduling): string => (policy === 'fifo' ? `fifo ${priority}` : policy);

/** `0-3, 6`. @param numbers ascending. */
function rangesOf(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
