import { systemClock } from '../clock.ts';
import type { Config } from '../config/schema.ts';
import { type PsiWatch, watchPsi } from '../pressure/psi-watch.ts';
import { systemTimer } from '../pressure/timer.ts';
import type { Log } from './log.ts';

/** How a domain's agent is told of stalls, as `memtide status` shows it. */
export interface StallWatch {
  readonly method: PsiWatch['method'] | 'off';
  /** Why it is not what was configured; with the mend. */
  readonly reason?: string;
  stop(): void;
}

const OFF: StallWatch = { method: 'off', stop() {} };

/** Watches the stalls of the whole machine in the way that `pressure.psi` names. Never throws. */
export async function watchStalls(
  { psi, psi_stall_ms, psi_window_ms }: Config['pressure'],
  onStall: () => void,
  log: Log,
): Promise<StallWatch> {
  if (psi === 'off') return OFF;
  const watch = await watchPsi({
    path: '/proc/pressure/memory',
    stallShare: psi_stall_ms / psi_window_ms,
    windowMicros: psi_window_ms * 1000,
    method: psi === 'poll' ? 'polling' : 'trigger',
    onStall,
    onLost: (reason) => log.warn({ reason }, 'memory stalls are no longer watched'),
    clock: systemClock,
    timer: systemTimer,
  });
  if (watch.reason !== undefined) log.info({ method: watch.method }, watch.reason);
  return watch;
}
