import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { errorCode, errorMessage } from '../errors.ts';
import type { PsiReading } from '../records.ts';
import { type EpollResult, loadEpoll, type Poller } from './epoll.ts';
import { PsiReader } from './psi.ts';
import type { Timer } from './timer.ts';

/**
 * Being told of memory stalls by the kernel instead of asking (Linux, Documentation/accounting/psi.rst, "Monitoring for
 * pressure thresholds"): write `some 150000 1000000` (150 ms of stall within 1 s) to a PSI file that was opened for
 * reading and writing, then wait for EPOLLPRI on that descriptor. One event a window at most.
 *
 * A window of 2 s (or a multiple) is open to everybody since Linux 6.5; any other needs CAP_SYS_RESOURCE. The former is
 * looked at only when the kernel averages, and a process that reads the file often gets there first: see
 * STALL_INTERVAL_MICROS. Either is a backstop: it fired 0.3 to 1.9 s after the pressure began.
 */
const SHORT_WINDOW_MICROS = 1_000_000;
/** What the kernel grants to everybody; tried where another is refused. */
const FREE_WINDOW_MICROS = 2_000_000;
/** How often the totals are read where there is no trigger. */
const POLL_MICROS = 100_000;

export interface PsiWatchOptions {
  /** `/proc/pressure/memory` or `<cgroup>/memory.pressure`. */
  readonly path: string;
  /** Share of a window that must be lost in stalls, 0 to 1. */
  readonly stallShare: number;
  /** Asked of the kernel first; 1 s by default, which only CAP_SYS_RESOURCE gets. */
  readonly windowMicros?: number;
  /** By default a trigger, where the kernel allows one. `polling` reads the totals even so. */
  readonly method?: 'trigger' | 'polling';
  readonly onStall: () => void;
  /** Told once if watching ends by itself (its cgroup was removed); nothing comes after it. */
  readonly onLost?: (reason: string) => void;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly loadEpoll?: () => Promise<EpollResult>;
}

export interface PsiWatch {
  /** `none`: there is no PSI here, and nothing will be told. */
  readonly method: 'trigger' | 'polling' | 'none';
  readonly windowMicros: number;
  /** Why it is not the trigger that was asked for; with the mend. */
  readonly reason?: string;
  stop(): void;
}

/** Watches by trigger if the kernel allows one, else by reading the totals ten times a second. Never throws. */
export async function watchPsi(options: PsiWatchOptions): Promise<PsiWatch> {
  if (options.method === 'polling') return poll(options, undefined);
  const wanted = options.windowMicros ?? SHORT_WINDOW_MICROS;
  const loaded = await (options.loadEpoll ?? loadEpoll)();
  const reasons: string[] = [];
  if (loaded.ok) {
    for (const windowMicros of new Set([wanted, FREE_WINDOW_MICROS])) {
      const armed = arm(options, windowMicros);
      if (armed.ok) return trigger(options, loaded.epoll, armed.descriptor, windowMicros, reasons[0]);
      reasons.push(armed.reason);
    }
  } else {
    reasons.push(loaded.reason);
  }
  return poll(options, reasons[0] ?? 'no trigger');
}

type Armed = { readonly ok: true; readonly descriptor: number } | { readonly ok: false; readonly reason: string };

function arm({ path, stallShare }: PsiWatchOptions, windowMicros: number): Armed {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    // The kernel overwrites the last byte with NUL: without one of ours it would cut a digit off.
    writeSync(descriptor, `some ${Math.round(stallShare * windowMicros)} ${windowMicros}\0`);
    return { ok: true, descriptor };
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    return { ok: false, reason: whyNoTrigger(error, path, windowMicros) };
  }
}

function whyNoTrigger(error: unknown, path: string, windowMicros: number): string {
  const what = `no trigger of ${windowMicros / 1e6} s on ${path}`;
  switch (errorCode(error)) {
    case 'EPERM':
    case 'EINVAL':
      return `${what}: the kernel refuses; give CAP_SYS_RESOURCE (a window of 2 s needs none from Linux 6.5 on)`;
    case 'EACCES':
    case 'EROFS':
      return `${what}: the file cannot be opened for writing; make it writable for this user`;
    default:
      return `${what}: ${errorMessage(error)}`;
  }
}

function trigger(
  { path, onStall, onLost }: PsiWatchOptions,
  { Epoll }: (EpollResult & { ok: true })['epoll'],
  descriptor: number,
  windowMicros: number,
  reason: string | undefined,
): PsiWatch {
  let open = true;
  const stop = () => {
    if (!open) return;
    open = false;
    poller.remove(descriptor);
    poller.close();
    closeSync(descriptor);
  };
  const poller: Poller = new Epoll((error, _descriptor, events) => {
    if (!open) return;
    // EPOLLERR comes without end once the cgroup is removed.
    if (error || (events & Epoll.EPOLLERR) !== 0) {
      stop();
      onLost?.(`${path} can no longer be watched: ${error ? error.message : 'its cgroup has been removed'}`);
      return;
    }
    onStall();
  });
  poller.add(descriptor, Epoll.EPOLLPRI);
  return { method: 'trigger', windowMicros, ...(reason !== undefined && { reason }), stop };
}

/** @param reason why no trigger watches; `undefined` where none was wanted. */
function poll(options: PsiWatchOptions, reason: string | undefined): PsiWatch {
  const { path, stallShare, onStall, onLost, clock, timer, windowMicros = SHORT_WINDOW_MICROS } = options;
  const reader = new PsiReader(path);
  const first = reader.read();
  if (!first.ok) {
    reader.close();
    const unread = `it cannot be read: ${first.reason}`;
    return {
      method: 'none',
      windowMicros,
      reason: reason === undefined ? unread : `${reason}; and ${unread}`,
      stop() {},
    };
  }
  let mark = { atMicros: clock.monotonicMicros() as number, total: first.psi.someTotalMicros };
  const look = (psi: PsiReading, now: number) => {
    const stalled = psi.someTotalMicros - mark.total >= stallShare * windowMicros;
    // As the kernel does: the window begins anew when it is over, or when it has told its one event.
    if (stalled || now - mark.atMicros >= windowMicros) mark = { atMicros: now, total: psi.someTotalMicros };
    if (stalled) onStall();
  };
  let cancel = (): void => {};
  const stop = () => {
    cancel();
    reader.close();
  };
  const again = () => {
    const result = reader.read();
    if (!result.ok) {
      stop();
      onLost?.(`${path} can no longer be read: ${result.reason}`);
      return;
    }
    // Set before the handler runs: one that calls stop() stops this too.
    cancel = timer.after(POLL_MICROS, again);
    look(result.psi, clock.monotonicMicros());
  };
  cancel = timer.after(POLL_MICROS, again);
  return { method: 'polling', windowMicros, ...(reason !== undefined && { reason }), stop };
}
