import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Bytes, bytes, KIB } from '../units.ts';
import { ProcessMemory } from './process-memory.ts';
import { label, PseudoFile, readOnce } from './pseudo-file.ts';

export interface ProcessTreeOptions {
  readonly roots: readonly number[];
  readonly procRoot?: string;
}

interface Newcomer {
  readonly pid: number;
  readonly parentPid: number;
  readonly session: number;
}

/**
 * Processes and all their descendants, followed as they come and go.
 *
 * A process belongs to the tree if its parent does when it is first seen, or if it is in the session of a root (so that
 * one which has lost its parent in between is not lost). It stays until it ends. A process that lives and dies between
 * two readings is not seen.
 */
export class ProcessTree {
  readonly #procRoot: string;
  readonly #roots: Set<number>;
  readonly #members = new Map<number, ProcessMemory>();
  #strangers = new Set<number>();
  readonly #loadavg: PseudoFile;
  #lastCreated: number | undefined;
  #seen = 0;

  constructor({ roots, procRoot = '/proc' }: ProcessTreeOptions) {
    this.#procRoot = procRoot;
    this.#roots = new Set(roots);
    this.#loadavg = new PseudoFile(join(procRoot, 'loadavg'), Buffer.allocUnsafe(256));
  }

  /** Adds another root, with its descendants, as of the next reading. */
  add(root: number): void {
    this.#roots.add(root);
    this.#strangers = new Set();
    this.#lastCreated = undefined;
  }

  /** How many processes the last reading found. */
  get size(): number {
    return this.#members.size;
  }

  /** How many different processes were ever seen. */
  get seen(): number {
    return this.#seen;
  }

  /** Reads every process. @returns RssAnon + RssShmem of the tree; 0 when all have ended. */
  usedBytes(): Bytes {
    this.#findNewcomers();
    let totalKib = 0;
    for (const member of this.#members.values()) {
      if (member.refresh() === 'gone') {
        member.close();
        this.#members.delete(member.pid);
      } else if (!this.#sharesItsParentsMemory(member)) {
        totalKib += member.anonKib + member.shmemKib;
      }
    }
    return bytes(totalKib * KIB);
  }

  /**
   * Between vfork (which Node, make and gcc use to start programs) and exec, a child runs in its parent's address space,
   * and right after fork all its pages are still the parent's. Both show as figures equal to the parent's; counting
   * them would show a burst as large as the parent that never was. Parents come before children in the map.
   */
  #sharesItsParentsMemory(member: ProcessMemory): boolean {
    const parent = this.#members.get(member.parentPid);
    return parent !== undefined && parent.virtualKib === member.virtualKib && parent.anonKib === member.anonKib;
  }

  /** Listing /proc costs 50 µs and more; it is done only when the kernel says that something was created. */
  #findNewcomers(): void {
    const lastCreated = this.#lastCreatedPid();
    if (lastCreated !== undefined && lastCreated === this.#lastCreated) return;
    this.#lastCreated = lastCreated;
    const strangers = new Set<number>();
    let unknown: Newcomer[] = [];
    for (const pid of this.#pids()) {
      if (this.#members.has(pid)) continue;
      if (this.#strangers.has(pid)) strangers.add(pid);
      else {
        const newcomer = this.#look(pid);
        if (newcomer) unknown.push(newcomer);
      }
    }
    // A child's number may be below its parent's once numbers have wrapped: repeat until nobody joins.
    for (let joined = true; joined; ) {
      const rest = unknown.filter((newcomer) => !this.#joins(newcomer));
      joined = rest.length < unknown.length;
      unknown = rest;
    }
    for (const { pid } of unknown) strangers.add(pid);
    this.#strangers = strangers;
  }

  #joins({ pid, parentPid, session }: Newcomer): boolean {
    if (!this.#roots.has(pid) && !this.#members.has(parentPid) && !this.#roots.has(session)) return false;
    this.#members.set(pid, new ProcessMemory(this.#procRoot, pid, parentPid));
    this.#seen++;
    return true;
  }

  /** The last field of /proc/loadavg: the number given last to a process or thread. `0.60 0.30 0.15 2/87 7521` */
  #lastCreatedPid(): number | undefined {
    if (this.#loadavg.refresh() !== undefined) return undefined;
    const slash = this.#loadavg.find(SLASH, 0);
    const space = slash < 0 ? -1 : this.#loadavg.find(BLANK, slash);
    return space < 0 ? undefined : this.#loadavg.numberAt(space);
  }

  #pids(): number[] {
    const pids: number[] = [];
    for (const name of readdirSync(this.#procRoot)) {
      const pid = Number(name);
      if (pid > 0) pids.push(pid);
    }
    return pids.sort((a, b) => a - b);
  }

  /**
   * Parent and session of a process: fields 4 and 6 of /proc/PID/stat, `7521 (name) S 1 7521 7521 ...`. The name may
   * hold anything, brackets and blanks included, so the fields are counted from the last `)`.
   */
  #look(pid: number): Newcomer | undefined {
    const stat = readOnce(join(this.#procRoot, String(pid), 'stat'));
    if (stat === undefined) return undefined; // It has ended since the listing.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parentPid: Number(fields[1]), session: Number(fields[3]) };
  }

  close(): void {
    for (const member of this.#members.values()) member.close();
    this.#members.clear();
    this.#loadavg.close();
  }
}

const SLASH = label('/');
const BLANK = label(' ');
