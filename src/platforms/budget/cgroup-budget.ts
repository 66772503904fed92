/**
 * A domain's budget by a cgroup of its own: the kernel counts and limits the group, whatever its programs fork.
 * Resident memory counts, page cache included; `used` is that without the cache that the kernel would drop first.
 * A shrink never takes memory in use: it is refused rather than leave a program to the OOM killer.
 */
import { join } from 'node:path';
import { errorCode, errorMessage, MemtideError } from '../../errors.ts';
import { type Bytes, bytes, formatBytes, MIB } from '../../units.ts';
import type { MoveResult, ReservationLimits } from '../contracts.ts';
import { type AgentProcess, cgroupName, ownerOf } from './agent-process.ts';
import type { CgroupFiles } from './cgroup-files.ts';
import { AGENT_LEAF, type CgroupPlace } from './cgroup-place.ts';
import { CGROUP_V1, CGROUP_V2, type CgroupVersion } from './cgroup-version.ts';
import type { AddResult, BudgetOptions, BudgetState, ProcessBudget } from './contracts.ts';

type Place = Extract<CgroupPlace, { ok: true }>;

/**
 * Kept between the use and a lowered limit. The kernel charges memory ahead in batches of 64 pages per CPU, so the use
 * jumps by that much at any time: 4 CPUs × 64 × 4 KiB, twice.
 */
const MARGIN_BYTES = 2 * MIB;

export class CgroupBudget implements ProcessBudget {
  limits: ReservationLimits;
  readonly directory: string;
  readonly #files: CgroupFiles;
  readonly #place: Place;
  readonly #version: CgroupVersion;
  readonly #pid: number;

  private constructor(options: BudgetOptions, place: Place, files: CgroupFiles, agent: AgentProcess) {
    this.limits = { floor: options.floor, ceiling: options.ceiling };
    this.directory = join(place.parent, cgroupName(options.name, agent));
    this.#files = files;
    this.#place = place;
    this.#version = place.version === 2 ? CGROUP_V2 : CGROUP_V1;
    this.#pid = agent.pid;
  }

  /**
   * Makes the domain's cgroup and sets its limit. What agents that were killed have left behind goes.
   * @param agent this process. @param runs whether an agent still does.
   * @throws MemtideError when the kernel refuses; nothing is left behind then.
   */
  static open(
    options: BudgetOptions,
    place: Place,
    files: CgroupFiles,
    agent: AgentProcess,
    runs: (agent: AgentProcess) => boolean,
  ): CgroupBudget {
    const budget = new CgroupBudget(options, place, files, agent);
    let made = false;
    try {
      budget.#removeOrphans(runs);
      if (place.mustDelegate) budget.#delegate();
      files.makeDirectory(budget.directory);
      made = true;
      budget.#version.raise(files, budget.directory, options.limit);
    } catch (cause) {
      budget.#undo(made);
      throw new MemtideError({
        operation: 'make a cgroup for the domain',
        object: budget.directory,
        actual: errorMessage(cause),
        remedy: 'use RLIMIT_DATA',
        cause,
      });
    }
    return budget;
  }

  #removeOrphans(runs: (agent: AgentProcess) => boolean): void {
    const { parent } = this.#place;
    for (const name of this.#files.children(parent)) {
      const owner = ownerOf(name);
      if (!owner || runs(owner)) continue;
      try {
        this.#files.removeDirectory(join(parent, name));
      } catch {
        // Its programs live on, under the limit that it has: the last of them leaves it empty.
      }
    }
  }

  get enforcedBy(): string {
    return this.#version.enforcedBy;
  }

  get atTheLimit(): string {
    return this.#version.atTheLimit;
  }

  state(): BudgetState {
    const resident = this.#readBytes(this.#version.usageFile);
    const idleCache = new RegExp(`^${this.#version.idleCacheKey} (\\d+)$`, 'm').exec(this.#read('memory.stat'));
    return {
      limit: this.#readBytes(this.#version.limitFile),
      used: bytes(Math.max(0, resident - Number(idleCache?.[1] ?? 0))),
      residentBytes: resident,
      processes: this.#members(this.directory).length,
    };
  }

  addProgram(pid: number): AddResult {
    try {
      this.#files.write(join(this.directory, 'cgroup.procs'), String(pid));
      return { ok: true };
    } catch (error) {
      const gone = errorCode(error) === 'ESRCH';
      return { ok: false, reason: gone ? `process ${pid} has ended` : errorMessage(error) };
    }
  }

  removeProgram(pid: number): void {
    if (this.#members(this.directory).includes(String(pid))) this.#move(String(pid), this.#home());
  }

  /** The kernel follows the programs by itself. */
  rebalance(): void {}

  grow(by: Bytes): MoveResult {
    const { limit } = this.state();
    const target = limit + by;
    const { ceiling } = this.limits;
    if (target > ceiling) {
      return { ok: false, refusal: 'ceiling', limit, reason: `the ceiling is ${formatBytes(ceiling)}` };
    }
    this.#version.raise(this.#files, this.directory, target);
    return { ok: true, limit: this.state().limit };
  }

  shrink(by: Bytes): MoveResult {
    const { limit, used } = this.state();
    const target = limit - by;
    const { floor } = this.limits;
    if (target < floor) return { ok: false, refusal: 'floor', limit, reason: `the floor is ${formatBytes(floor)}` };
    const inUse = `${formatBytes(used)} are in use, and ${formatBytes(MARGIN_BYTES)} are kept above them`;
    if (used + MARGIN_BYTES > target) return { ok: false, refusal: 'floor', limit, reason: inUse };
    const lowered = this.#version.lower(this.#files, this.directory, limit, target, MARGIN_BYTES);
    const now = this.state().limit;
    return lowered ? { ok: true, limit: now } : { ok: false, refusal: 'floor', limit: now, reason: inUse };
  }

  /** Lifts the limit, moves the programs back to where memtide runs, and removes the cgroup. */
  close(): void {
    try {
      this.#version.lift(this.#files, this.directory);
      this.#empty(this.directory, this.#home());
      this.#files.removeDirectory(this.directory);
    } catch (cause) {
      // Somebody has removed it already: what was to be done is done.
      if (errorCode(cause) !== 'ENOENT') {
        throw new MemtideError({
          operation: "remove the domain's cgroup",
          object: this.directory,
          actual: errorMessage(cause),
          remedy: `end the programs in it, then: rmdir ${this.directory}`,
          cause,
        });
      }
    }
    this.#undelegate();
  }

  /** v2: moves memtide into a leaf, so that its cgroup may hand the memory controller down to its children. */
  #delegate(): void {
    const leaf = join(this.#place.parent, AGENT_LEAF);
    if (!this.#hasLeaf()) this.#files.makeDirectory(leaf);
    this.#files.write(join(leaf, 'cgroup.procs'), String(this.#pid));
    this.#files.write(join(this.#place.parent, 'cgroup.subtree_control'), '+memory');
  }

  /** Undoes `#delegate` when this was the last domain; taking the controller back would lift other domains' limits. */
  #undelegate(): void {
    const { parent } = this.#place;
    if (!this.#hasLeaf() || this.#files.children(parent).some((name) => name !== AGENT_LEAF)) return;
    const leaf = join(parent, AGENT_LEAF);
    this.#files.write(join(parent, 'cgroup.subtree_control'), '-memory');
    this.#empty(leaf, parent);
    this.#files.removeDirectory(leaf);
  }

  #hasLeaf(): boolean {
    return this.#place.version === 2 && this.#files.children(this.#place.parent).includes(AGENT_LEAF);
  }

  /** After a failed open: whatever it made goes, best effort; the failure itself is what is reported. */
  #undo(made: boolean): void {
    for (const step of [() => made && this.#files.removeDirectory(this.directory), () => this.#undelegate()]) {
      try {
        step();
      } catch {
        // Left for the administrator; the report names the directory.
      }
    }
  }

  /** Where programs go that leave the domain: to memtide itself, since an inner v2 cgroup takes no processes. */
  #home(): string {
    return this.#hasLeaf() ? join(this.#place.parent, AGENT_LEAF) : this.#place.parent;
  }

  /** Programs may fork while they are moved, so it looks again until nobody is left; in vain at most ten times. */
  #empty(from: string, to: string): void {
    for (let pass = 0; pass < 10; pass++) {
      const members = this.#members(from);
      if (members.length === 0) return;
      for (const pid of members) this.#move(pid, to);
    }
  }

  #move(pid: string, to: string): void {
    try {
      this.#files.write(join(to, 'cgroup.procs'), pid);
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error; // ended meanwhile
    }
  }

  #members(directory: string): string[] {
    return this.#read('cgroup.procs', directory)
      .split('\n')
      .filter((pid) => pid !== '');
  }

  #readBytes(file: string): Bytes {
    return bytes(Number(this.#read(file)));
  }

  #read(file: string, directory = this.directory): string {
    try {
      return this.#files.read(join(directory, file));
    } catch (cause) {
      throw new MemtideError({
        operation: "read the domain's cgroup",
        object: join(directory, file),
        actual: errorMessage(cause),
        remedy: 'restart memtide: something outside has removed or closed its cgroup',
        cause,
      });
    }
  }
}
