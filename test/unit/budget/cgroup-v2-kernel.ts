/**
 * A model of the kernel's cgroup v2 memory controller, after Documentation/admin-guide/cgroup-v2.rst, for machines whose
 * memory controller is not there: what writing memory.high and memory.max does, who may live where, what is refused.
 */
import { basename, dirname } from 'node:path';
import type { CgroupFiles } from '../../../src/platforms/budget/cgroup-files.ts';

class KernelRefusal extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

interface Cgroup {
  readonly processes: Set<string>;
  readonly handsDown: Set<string>;
  max: number;
  high: number;
  /** Not reclaimable without swap. */
  anonymous: number;
  idleCache: number;
}

export const MOUNT = '/sys/fs/cgroup';
export const SCOPE = `${MOUNT}/user.slice/agent.scope`;

export class CgroupV2Kernel implements CgroupFiles {
  readonly #cgroups = new Map<string, Cgroup>();
  readonly #readOnly = new Set<string>();
  readonly agentPid: string;
  controllers = 'cpu memory pids';
  /** Processes that the OOM killer ended. */
  kills = 0;
  /** Called before each write, to let something happen at the worst moment. */
  beforeWrite: (path: string, value: string) => void = () => {};

  constructor(agentPid: number, agentCgroup = SCOPE) {
    this.agentPid = String(agentPid);
    for (let at = agentCgroup; at !== dirname(MOUNT); at = dirname(at)) this.#cgroups.set(at, emptyCgroup());
    for (let at = dirname(agentCgroup); at !== dirname(MOUNT); at = dirname(at)) this.at(at).handsDown.add('memory');
    this.at(agentCgroup).processes.add(this.agentPid);
  }

  at(directory: string): Cgroup {
    const cgroup = this.#cgroups.get(directory);
    if (!cgroup) throw new KernelRefusal('ENOENT', directory);
    return cgroup;
  }

  has(directory: string): boolean {
    return this.#cgroups.has(directory);
  }

  makeReadOnly(path: string): void {
    this.#readOnly.add(path);
  }

  homeOf(pid: string): string | undefined {
    return [...this.#cgroups].find(([, { processes }]) => processes.has(pid))?.[0];
  }

  read(path: string): string {
    if (path === '/proc/self/cgroup') return `0::${this.homeOf(this.agentPid)?.slice(MOUNT.length) || '/'}\n`;
    if (path === '/proc/self/mountinfo') return `25 30 0:23 / ${MOUNT} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n`;
    const cgroup = this.at(dirname(path));
    const file = basename(path);
    if (file.startsWith('memory.') && !this.#hasMemory(dirname(path))) throw new KernelRefusal('ENOENT', path);
    switch (file) {
      case 'cgroup.controllers':
        return `${this.controllers}\n`;
      case 'cgroup.subtree_control':
        return `${[...cgroup.handsDown].join(' ')}\n`;
      case 'cgroup.procs':
        return [...cgroup.processes].map((pid) => `${pid}\n`).join('');
      case 'memory.current':
        return `${cgroup.anonymous + cgroup.idleCache}\n`;
      case 'memory.max':
        return `${cgroup.max === Number.POSITIVE_INFINITY ? 'max' : cgroup.max}\n`;
      case 'memory.stat':
        return `anon ${cgroup.anonymous}\nfile ${cgroup.idleCache}\ninactive_file ${cgroup.idleCache}\n`;
      default:
        throw new KernelRefusal('ENOENT', path);
    }
  }

  write(path: string, value: string): void {
    this.beforeWrite(path, value);
    const directory = dirname(path);
    const cgroup = this.at(directory);
    switch (basename(path)) {
      case 'cgroup.procs':
        this.#moveProcess(value, directory);
        break;
      case 'cgroup.subtree_control':
        if (value === '+memory' && cgroup.processes.size > 0 && directory !== MOUNT)
          throw new KernelRefusal('EBUSY', path);
        if (value === '+memory') cgroup.handsDown.add('memory');
        else cgroup.handsDown.delete('memory');
        break;
      case 'memory.high':
        cgroup.high = limitOf(value);
        reclaim(cgroup, cgroup.high);
        break;
      case 'memory.max':
        cgroup.max = limitOf(value);
        reclaim(cgroup, cgroup.max);
        while (cgroup.anonymous > cgroup.max) {
          this.kills++;
          cgroup.anonymous = 0;
          cgroup.processes.clear();
        }
        break;
      default:
        throw new KernelRefusal('ENOENT', path);
    }
  }

  makeDirectory(path: string): void {
    this.at(dirname(path));
    if (this.has(path)) throw new KernelRefusal('EEXIST', path);
    this.#cgroups.set(path, emptyCgroup());
  }

  removeDirectory(path: string): void {
    if (this.at(path).processes.size > 0 || this.children(path).length > 0) throw new KernelRefusal('EBUSY', path);
    this.#cgroups.delete(path);
  }

  children(path: string): string[] {
    return [...this.#cgroups.keys()]
      .filter((other) => other !== path && dirname(other) === path)
      .map((p) => basename(p));
  }

  writable(path: string): boolean {
    return !this.#readOnly.has(path);
  }

  /** No processes in inner cgroups: one that hands a controller down takes none, except the root. */
  #moveProcess(pid: string, directory: string): void {
    const target = this.at(directory);
    if (target.handsDown.size > 0 && directory !== MOUNT) throw new KernelRefusal('EBUSY', directory);
    const home = this.homeOf(pid);
    if (home === undefined) throw new KernelRefusal('ESRCH', pid);
    this.at(home).processes.delete(pid);
    target.processes.add(pid);
  }

  #hasMemory(directory: string): boolean {
    return directory !== MOUNT && this.at(dirname(directory)).handsDown.has('memory');
  }
}

const limitOf = (value: string): number => (value === 'max' ? Number.POSITIVE_INFINITY : Number(value));

function emptyCgroup(): Cgroup {
  return {
    processes: new Set(),
    handsDown: new Set(),
    max: Number.POSITIVE_INFINITY,
    high: Number.POSITIVE_INFINITY,
    anonymous: 0,
    idleCache: 0,
  };
}

function reclaim(cgroup: Cgroup, to: number): void {
  const excess = Math.max(0, cgroup.anonymous + cgroup.idleCache - to);
  cgroup.idleCache = Math.max(0, cgroup.idleCache - excess);
}
