/**
 * What one process has mapped and what of it is resident, from /proc/PID/status:
 *
 *     RssAnon:     6324 kB      anonymous memory in RAM
 *     VmData:     48604 kB      private writable mappings and heap: what RLIMIT_DATA counts
 *
 * The descriptor stays open and belongs to this very process: when it is dead every read fails, even if its number was
 * given to another. A zombie has no Vm lines any more and counts as dead.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';

const VM_DATA = Buffer.from('\nVmData:');
const RSS_ANON = Buffer.from('\nRssAnon:');
const SPACE = 0x20;
const TAB = 0x09;
const ZERO = 0x30;

/** The file is about 1.5 KiB; a process of many groups or CPUs has a longer one. One buffer serves all reads. */
const buffer = Buffer.alloc(16 * 1024);

export class ProcessStatus {
  readonly pid: number;
  readonly #fd: number;
  /** As of the last successful `read`. */
  vmDataBytes = 0;
  rssAnonBytes = 0;

  private constructor(pid: number, fd: number) {
    this.pid = pid;
    this.#fd = fd;
  }

  /** @returns undefined where there is no such process, or it may not be looked at. */
  static open(procRoot: string, pid: number): ProcessStatus | undefined {
    try {
      return new ProcessStatus(pid, openSync(join(procRoot, String(pid), 'status'), 'r'));
    } catch {
      return undefined;
    }
  }

  /** Reads now, without allocating. @returns false when the process is dead. */
  read(): boolean {
    let length: number;
    try {
      length = readSync(this.#fd, buffer, 0, buffer.length, 0);
    } catch {
      return false; // ESRCH: it ended and was reaped
    }
    const vmData = kibibytesAfter(VM_DATA, length);
    if (vmData < 0) return false;
    this.vmDataBytes = vmData * 1024;
    this.rssAnonBytes = Math.max(0, kibibytesAfter(RSS_ANON, length)) * 1024;
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The number after a key in `buffer`; -1 where the key is missing. */
function kibibytesAfter(key: Buffer, length: number): number {
  const start = buffer.indexOf(key);
  if (start < 0 || start >= length) return -1;
  let at = start + key.length;
  while (buffer[at] === SPACE || buffer[at] === TAB) at++;
  let value = 0;
  for (let digit = buffer[at]! - ZERO; digit >= 0 && digit <= 9; digit = buffer[++at]! - ZERO)
    value = value * 10 + digit;
  return value;
}
