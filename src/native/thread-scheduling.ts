import {
  errnoName,
  gettid,
  niceOf,
  PRIO_PROCESS,
  SCHED_FIFO,
  SCHED_OTHER,
  SCHED_RESET_ON_FORK,
  schedGetaffinity,
  schedGetparam,
  schedGetscheduler,
  schedSetaffinity,
  schedSetscheduler,
  setpriority,
} from './libc.ts';
import { scratchAddress, scratchWords } from './scratch.ts';

/** How the kernel schedules the calling thread. In Linux niceness, policy and CPUs belong to a thread, not a process. */
export interface ThreadScheduling {
  /** −20 to 19. */
  readonly nice: number;
  readonly policy: SchedulingPolicy | 'another';
  /** 1 to 99 for `fifo`, else 0. */
  readonly priority: number;
  /** The CPUs that it may run on, ascending. */
  readonly cpus: readonly number[];
}

export type SchedulingPolicy = 'other' | 'fifo';

/** Each sets one thing and answers with undefined, or with the name of the errno. */
export interface ThreadScheduler {
  read(): ThreadScheduling;
  setNice(nice: number): string | undefined;
  /** What the thread starts is never scheduled in real time (SCHED_RESET_ON_FORK). */
  setPolicy(policy: SchedulingPolicy, priority: number): string | undefined;
  setCpus(cpus: readonly number[]): string | undefined;
}

/** cpu_set_t of glibc: 1,024 CPUs. */
const MASK_WORDS = 32;
const CALLING_THREAD = 0;

const outcome = (returned: number): string | undefined => (returned === 0 ? undefined : errnoName());

/** The scheduler of whichever thread calls. Allocates: not for the loop of the fast plane, except `setPolicy`. */
export const callingThread: ThreadScheduler = {
  read() {
    const policy = schedGetscheduler(CALLING_THREAD) & ~SCHED_RESET_ON_FORK;
    schedGetparam(CALLING_THREAD, scratchAddress);
    const priority = scratchWords[0]!;
    scratchWords.fill(0, 0, MASK_WORDS);
    schedGetaffinity(CALLING_THREAD, MASK_WORDS * 4, scratchAddress);
    const cpus = Array.from({ length: MASK_WORDS * 32 }, (_, cpu) => cpu).filter(
      (cpu) => ((scratchWords[cpu >>> 5]! >>> (cpu & 31)) & 1) === 1,
    );
    const name = policy === SCHED_OTHER ? 'other' : policy === SCHED_FIFO ? 'fifo' : 'another';
    return { nice: niceOf(gettid()), policy: name, priority, cpus };
  },
  setNice: (nice) => outcome(setpriority(PRIO_PROCESS, gettid(), nice)),
  setPolicy(policy, priority) {
    scratchWords[0] = priority;
    const code = (policy === 'fifo' ? SCHED_FIFO : SCHED_OTHER) | SCHED_RESET_ON_FORK;
    return outcome(schedSetscheduler(CALLING_THREAD, code, scratchAddress));
  },
  setCpus(cpus) {
    scratchWords.fill(0, 0, MASK_WORDS);
    for (const cpu of cpus) scratchWords[cpu >>> 5] = scratchWords[cpu >>> 5]! | (1 << (cpu & 31));
    return outcome(schedSetaffinity(CALLING_THREAD, MASK_WORDS * 4, scratchAddress));
  },
};

/** Policy and priority of any thread. @throws Error where there is no such thread. */
export function readScheduling(thread: number): Pick<ThreadScheduling, 'policy' | 'priority'> {
  const policy = schedGetscheduler(thread);
  if (policy < 0) throw new Error(errnoName());
  schedGetparam(thread, scratchAddress);
  const name = { [SCHED_OTHER]: 'other' as const, [SCHED_FIFO]: 'fifo' as const }[policy & ~SCHED_RESET_ON_FORK];
  return { policy: name ?? 'another', priority: scratchWords[0]! };
}

/** Of any thread. @returns undefined, or the name of the errno. */
export function setScheduling(thread: number, policy: SchedulingPolicy, priority: number): string | undefined {
  scratchWords[0] = priority;
  return outcome(schedSetscheduler(thread, policy === 'fifo' ? SCHED_FIFO : SCHED_OTHER, scratchAddress));
}
