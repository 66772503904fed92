/**
 * Counts what the kernel of this domain does, by thread: hypercalls, events that it sends, wake-ups. Times on an emulated
 * board are distorted; counts are not. It counts in an instance of tracefs of its own, so that other tracing goes on. A
 * probe costs an exception each time: never beside what is timed.
 *
 * The hypercalls themselves are in assembler, which Debian's kernel does not let be probed: what is counted are the
 * functions and calls that make one each. Not seen: unmasking an event that came meanwhile, and what the console writes.
 * Source: Linux, Documentation/trace/{kprobetrace,histogram}.rst, drivers/xen/.
 */
import fs from 'node:fs';
import path from 'node:path';
import { MemtideError } from '../../../errors.ts';

export type CountedEvent =
  /** The balloon's calls of Xen: one for a batch of pages. */
  | 'populate_physmap'
  | 'decrease_reservation'
  /** An event sent by a driver: network, disk, xenstore. */
  | 'event_send'
  /** An event sent by a program, through /dev/xen/evtchn. */
  | 'notify'
  /** Any other call of Xen by a program, through /dev/xen/privcmd. */
  | 'privcmd'
  | 'wake_up';

/** What was counted for one thread: the one that does it, or of a wake-up, the one that is woken. */
export interface KernelCount {
  readonly event: CountedEvent;
  readonly pid: number;
  readonly hits: number;
}

export const isEventSend = ({ event }: KernelCount): boolean => event === 'event_send' || event === 'notify';
export const isWakeUp = ({ event }: KernelCount): boolean => event === 'wake_up';
export const isHypercall = (count: KernelCount): boolean => !isWakeUp(count);

const TRACEFS = '/sys/kernel/tracing';
const GROUP = 'memtide';

/** Probes of the kernel's functions, by the event they count. */
const PROBES: Readonly<Partial<Record<CountedEvent, string>>> = {
  populate_physmap: 'xenmem_reservation_increase',
  decrease_reservation: 'xenmem_reservation_decrease',
  event_send: 'notify_remote_via_irq',
};
/** Calls of ioctl(2), as decimals, by the event they count: NOTIFY of evtchn, HYPERCALL of privcmd. */
const CALLS: Readonly<Record<number, CountedEvent>> = { 279812: 'notify', 3166208: 'privcmd' };

interface Histogram {
  readonly file: string;
  readonly eventOf: (keys: Readonly<Record<string, number>>) => CountedEvent;
}

export class KernelTrace {
  readonly #root: string;
  readonly #histograms: Histogram[] = [];

  private constructor(root: string) {
    this.#root = root;
  }

  /** Needs root. @throws MemtideError where tracefs is not mounted, or the kernel lacks what is counted by. */
  static open(root = TRACEFS): KernelTrace {
    const trace = new KernelTrace(root);
    try {
      trace.#start();
    } catch (cause) {
      trace.close();
      throw new MemtideError({
        operation: 'count what the kernel does',
        object: root,
        expected: 'tracefs with kprobes, histograms and tracing of system calls, and root',
        remedy: fs.existsSync(path.join(root, 'instances'))
          ? 'take a kernel with CONFIG_KPROBE_EVENTS, CONFIG_HIST_TRIGGERS and CONFIG_FTRACE_SYSCALLS'
          : `mount -t tracefs tracefs ${root}`,
        cause,
      });
    }
    return trace;
  }

  /** Everything since it was opened. */
  read(): KernelCount[] {
    return this.#histograms.flatMap(({ file, eventOf }) =>
      parseHistogram(fs.readFileSync(file, 'latin1')).map(({ keys, hits }) => ({
        event: eventOf(keys),
        pid: keys.common_pid ?? keys.pid ?? 0,
        hits,
      })),
    );
  }

  /** Takes away whatever it has put there. */
  close(): void {
    for (const { file } of this.#histograms.splice(0)) attempt(() => clearTriggers(path.dirname(file)));
    attempt(() => fs.rmdirSync(this.#instance));
    for (const event of Object.keys(PROBES)) this.#removeProbe(event);
  }

  get #instance(): string {
    return path.join(this.#root, 'instances', GROUP);
  }

  #start(): void {
    this.#clearLeftOver();
    fs.mkdirSync(this.#instance);
    for (const [event, fn] of Object.entries(PROBES)) {
      fs.appendFileSync(path.join(this.#root, 'kprobe_events'), `p:${GROUP}/${event} ${fn}\n`);
      this.#count(`${GROUP}/${event}`, 'common_pid', () => event as CountedEvent);
    }
    const some = Object.keys(CALLS)
      .map((call) => `cmd == ${call}`)
      .join(' || ');
    this.#count('syscalls/sys_enter_ioctl', 'common_pid,cmd', ({ cmd }) => CALLS[cmd!]!, some);
    this.#count('sched/sched_wakeup', 'pid', () => 'wake_up');
  }

  #count(event: string, keys: string, eventOf: Histogram['eventOf'], filter?: string): void {
    const folder = path.join(this.#instance, 'events', event);
    const condition = filter === undefined ? '' : ` if ${filter}`;
    fs.writeFileSync(path.join(folder, 'trigger'), `hist:keys=${keys}:size=4096${condition}`);
    this.#histograms.push({ file: path.join(folder, 'hist'), eventOf });
  }

  /** Of a program that was killed while it counted. */
  #clearLeftOver(): void {
    const events = [
      ...Object.keys(PROBES).map((event) => `${GROUP}/${event}`),
      'syscalls/sys_enter_ioctl',
      'sched/sched_wakeup',
    ];
    for (const event of events) attempt(() => clearTriggers(path.join(this.#instance, 'events', event)));
    attempt(() => fs.rmdirSync(this.#instance));
    for (const event of Object.keys(PROBES)) this.#removeProbe(event);
  }

  #removeProbe(event: string): void {
    attempt(() => fs.appendFileSync(path.join(this.#root, 'kprobe_events'), `-:${GROUP}/${event}\n`));
  }
}

/** Opening for writing from the start takes all triggers of an event away. */
const clearTriggers = (folder: string): void => fs.writeFileSync(path.join(folder, 'trigger'), '');

/** Entries such as `{ common_pid:  48, cmd:  278788 } hitcount:  7`. */
export function parseHistogram(text: string): { keys: Readonly<Record<string, number>>; hits: number }[] {
  return [...text.matchAll(/^\{ (.*?) \} hitcount:\s+(\d+)/gm)].map(([, keys, hits]) => ({
    keys: Object.fromEntries(
      keys!.split(',').map((each) => {
        const [name, value] = each.split(':');
        return [name!.trim(), Number(value)];
      }),
    ),
    hits: Number(hits),
  }));
}

/** What came between two readings. */
export function countsBetween(before: readonly KernelCount[], after: readonly KernelCount[]): KernelCount[] {
  const key = ({ event, pid }: KernelCount): string => `${event} ${pid}`;
  const then = new Map(before.map((count) => [key(count), count.hits]));
  return after
    .map((count) => ({ ...count, hits: count.hits - (then.get(key(count)) ?? 0) }))
    .filter(({ hits }) => hits > 0);
}

export const total = (counts: readonly KernelCount[], which: (count: KernelCount) => boolean): number =>
  counts.reduce((sum, count) => sum + (which(count) ? count.hits : 0), 0);

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // It is not there.
  }
}
