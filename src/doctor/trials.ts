/**
 * What can only be known by trying it. Each trial leaves the machine as it was. Behind an interface, so that fixtures of
 * other machines can answer in its place.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { mountHugeTmpfs } from '../platforms/arena/huge-mount.ts';
import { watchPsi } from '../pressure/psi-watch.ts';
import { systemTimer } from '../pressure/timer.ts';
import { MIB } from '../units.ts';
import type { Answer, ClockFacts, PressureFacts, Trial } from './facts.ts';

export interface Trials {
  /** Loads koffi and calls the C library. */
  foreignCalls(): Promise<Trial>;
  hugeMount(): Promise<Trial>;
  watchPressure(psiFile: string): Promise<PressureFacts['watch']>;
  clock(): Promise<ClockFacts['synchronised']>;
  onoff(): Promise<Trial>;
  i2cBus(): Promise<Trial>;
  /** Asks Xen's toolstack. */
  xenScheduler(): Promise<Answer<string>>;
  /** Whether a program of that name can be run. */
  hasProgram(name: string): boolean;
}

/** The toolstack waits for a lock while a domain is created. */
const TOOLSTACK_MILLIS = 20_000;

/** Tries on this machine. @param searchPath $PATH, for programs. */
export function systemTrials(searchPath: string): Trials {
  const hasProgram = (name: string): boolean => searchPath.split(':').some((folder) => isProgram(folder, name));
  return {
    // Every module that binds the C library is loaded here and not above: the doctor has to run where it cannot be.
    foreignCalls: () =>
      trial(async () => {
        const { gettid } = await import('../native/libc.ts');
        if (gettid() <= 0) throw new Error('a call into the C library gave nonsense');
      }),
    hugeMount: async () => {
      // The mount lasts until the second file has been read to its end: here, at once.
      const result = await mountHugeTmpfs(4 * MIB, '/dev/null');
      if (result.ok) result.mount.close();
      return result.ok ? { ok: true } : result;
    },
    watchPressure: async (psiFile) => {
      const onStall = () => {};
      const watch = await watchPsi({ path: psiFile, stallShare: 0.5, onStall, clock: systemClock, timer: systemTimer });
      watch.stop();
      const { method, windowMicros, reason } = watch;
      return reason === undefined ? { method, windowMicros } : { method, windowMicros, reason };
    },
    clock: async () => {
      try {
        const { adjtimexReader } = await import('../telemetry/clock-sync.ts');
        return adjtimexReader()();
      } catch (error) {
        return { known: false, reason: firstLine(error) };
      }
    },
    onoff: () => trial(() => import('onoff')),
    i2cBus: () => trial(() => import('i2c-bus')),
    xenScheduler: async () => {
      try {
        const { stdout } = await promisify(execFile)('xl', ['info', 'xen_scheduler'], { timeout: TOOLSTACK_MILLIS });
        return { ok: true, value: stdout.trim() };
      } catch (error) {
        return { ok: false, reason: firstLine(error) };
      }
    },
    hasProgram,
  };
}

async function trial(action: () => Promise<unknown>): Promise<Trial> {
  try {
    await action();
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: firstLine(error) };
  }
}

const firstLine = (error: unknown): string => errorMessage(error).split('\n')[0]!;

function isProgram(folder: string, name: string): boolean {
  try {
    fs.accessSync(path.join(folder, name), fs.constants.X_OK);
    return true;
  } catch {
    return false; // Not in this folder; the next one may have it.
  }
}
