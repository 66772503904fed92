/**
 * Finds the children that the programs of a domain have started, by parent numbers in /proc/PID/stat. A process that
 * was once seen to belong to nobody here never will (a child's parent is fixed, or becomes init), so only new
 * processes are read; and where the kernel has started none since the last look (the last field of
 * /proc/loadavg is the last process number it gave out) nothing is read at all.
 *
 * A process whose parent died before it was ever seen is not found: it keeps the limit that it inherited, and
 * is not counted.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export class ProcessTree {
  readonly #procRoot: string;
  #lastPid: number | undefined;
  #foreign = new Set<number>();

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Processes with an ancestor among `members`, which are not members themselves. Ancestors come before their children. */
  newDescendants(members: { has(pid: number): boolean }): Array<{ readonly pid: number; readonly parent: number }> {
    const lastPid = this.#readLastPid();
    if (lastPid !== undefined && lastPid === this.#lastPid) return [];
    // Numbers start again from the bottom: any of them may now be somebody else.
    if (lastPid === undefined || lastPid < (this.#lastPid ?? 0)) this.#foreign.clear();
    this.#lastPid = lastPid;

    const parents = this.#parentsOfUnknown(members);
    const found: Array<{ readonly pid: number; readonly parent: number }> = [];
    const foundPids = new Set<number>();
    for (let before = -1; before !== found.length; ) {
      before = found.length;
      for (const [pid, parent] of parents) {
        if (!members.has(parent) && !foundPids.has(parent)) continue;
        found.push({ pid, parent });
        foundPids.add(pid);
        parents.delete(pid);
      }
    }
    for (const pid of parents.keys()) this.#foreign.add(pid);
    return found;
  }

  /** A new member may have children that were foreign until now: look at everything once more. */
  forget(): void {
    this.#lastPid = undefined;
    this.#foreign.clear();
  }

  #parentsOfUnknown(members: { has(pid: number): boolean }): Map<number, number> {
    const parents = new Map<number, number>();
    const foreign = new Set<number>();
    for (const name of readdirSync(this.#procRoot)) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || members.has(pid)) continue;
      if (this.#foreign.has(pid)) {
        foreign.add(pid);
        continue;
      }
      const parent = this.#readParent(pid);
      if (parent !== undefined) parents.set(pid, parent);
    }
    this.#foreign = foreign;
    return parents;
  }

  /** Field 4 of /proc/PID/stat: `1234 (name, which may hold spaces and ')') S 1 …`. */
  #readParent(pid: number): number | undefined {
    const stat = readText(join(this.#procRoot, String(pid), 'stat'));
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ', 2)[1];
    return parent === undefined ? undefined : Number(parent);
  }

  /** `0.95 0.59 0.30 4/142 12428` */
  #readLastPid(): number | undefined {
    const last = readText(join(this.#procRoot, 'loadavg'))?.trim().split(' ').at(-1);
    return last === undefined ? undefined : Number(last);
  }
}

/** @returns undefined where the file is gone: processes end while they are looked at. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
