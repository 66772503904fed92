import fs from 'node:fs';
import { errorCode } from '../errors.ts';

/**
 * The group in which the kernel schedules a session's processes against other sessions (CONFIG_SCHED_AUTOGROUP, sched(7)):
 * while it does, the niceness of a thread counts within its own session only, and the group has a niceness of its own.
 */
export interface SessionGroup {
  /** Niceness of this process's session; undefined where sessions are not scheduled as groups. */
  readNice(): number | undefined;
  /** Whether this process leads its session, as daemons do; others in it are then none but its own children. */
  leads(): boolean;
  /** @returns undefined, or the name of the errno. */
  setNice(nice: number): string | undefined;
}

const GROUP = '/proc/self/autogroup';

export const sessionGroup: SessionGroup = {
  readNice() {
    try {
      if (fs.readFileSync('/proc/sys/kernel/sched_autogroup_enabled', 'latin1').trim() !== '1') return undefined;
      // `/autogroup-57 nice 0`; empty for what was started before there were sessions.
      const nice = / nice (-?\d+)/.exec(fs.readFileSync(GROUP, 'latin1'))?.[1];
      return nice === undefined ? undefined : Number(nice);
    } catch {
      return undefined; // a kernel without
    }
  },
  leads() {
    // Field 6 of proc_pid_stat(5), counted from behind the name.
    const fields = fs
      .readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[3] === String(process.pid);
  },
  setNice(nice) {
    try {
      fs.writeFileSync(GROUP, String(nice));
      return undefined;
    } catch (error) {
      return errorCode(error) ?? 'EIO';
    }
  },
};
