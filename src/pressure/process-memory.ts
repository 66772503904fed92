import { join } from 'node:path';
import { KIB } from '../units.ts';
import { label, PseudoFile } from './pseudo-file.ts';

/**
 * What one process holds that is its own to grow: `RssAnon + RssShmem` of `/proc/PID/status` (proc_pid_status(5)):
 *
 *     VmSize:	  659984 kB
 *     RssAnon:	   18656 kB
 *     RssShmem:	       0 kB
 *
 * Why these two: anonymous and shared memory is what `malloc`, stacks and buffers become, and what must be found when
 * need rises. File pages (RssFile: code, mapped files) can be dropped and read again, and are shared between programs.
 * Why this file: statm is cheaper (2 µs against 8 µs) but cannot tell shared memory from file pages; smaps_rollup is
 * exact but walks the page tables: 7 ms for a process of 512 MiB.
 *
 * Known error: since Linux 6.2 the counters are kept per CPU and may lag by 64 pages on each; and memory that several
 * processes share (after fork, or RssShmem) counts once in each of them.
 */
const VM_SIZE = label('VmSize:');
const RSS_ANON = label('RssAnon:');
const RSS_SHMEM = label('RssShmem:');

/** Reads of one thread never overlap, so all processes share one buffer. */
const sharedBuffer = Buffer.allocUnsafe(16 * KIB);

export type ProcessState = 'running' | 'gone';

export class ProcessMemory {
  readonly pid: number;
  readonly parentPid: number;
  /** Size of the address space in KiB as last read; it tells a process that shares its parent's memory. */
  virtualKib = 0;
  anonKib = 0;
  shmemKib = 0;
  readonly #status: PseudoFile;

  constructor(procRoot: string, pid: number, parentPid: number) {
    this.pid = pid;
    this.parentPid = parentPid;
    this.#status = new PseudoFile(join(procRoot, String(pid), 'status'), sharedBuffer);
  }

  /**
   * Reads again. The open descriptor belongs to this very process: if its number is given to another one, the read
   * fails instead of telling the other's memory. A zombie holds nothing and has no such lines.
   */
  refresh(): ProcessState {
    if (this.#status.refresh() !== undefined) return 'gone';
    this.virtualKib = this.#status.labelled(VM_SIZE) ?? 0;
    this.anonKib = this.#status.labelled(RSS_ANON) ?? 0;
    this.shmemKib = this.#status.labelled(RSS_SHMEM) ?? 0;
    return 'running';
  }

  close(): void {
    this.#status.close();
  }
}
