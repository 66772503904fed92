import fs from 'node:fs';

/** Length of a tick in /proc/PID/stat; USER_HZ is 100 on every architecture that memtide runs on. */
const TICK_MICROS = 10_000;

/**
 * CPU time of all living threads of a process, in microseconds, from their schedstat (nanoseconds); in ticks of 10 ms
 * where the kernel was built without it.
 */
export function processCpuMicros(pid: number): number {
  try {
    let nanos = 0;
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
      nanos += Number(fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
    return nanos / 1000;
  } catch (error) {
    if (fs.existsSync('/proc/self/schedstat')) throw error;
    // Fields 14 and 15, utime and stime, counted from behind the name, which may hold anything: proc_pid_stat(5).
    const fields = fs
      .readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  }
}
