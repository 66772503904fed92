/**
 * A domain's budget by RLIMIT_DATA: works everywhere and for everybody, without a cgroup and without root.
 *
 * The kernel limits processes, the budget is the domain's: so each program's soft limit is kept at what it has mapped
 * and a share of the free rest (`data-shares.ts`), and Σ limits ≤ budget. A program that wants more has its malloc
 * refused (ENOMEM) until the budget grows; nothing is ever killed.
 *
 * `used` is Σ VmData, since that is what the limit counts and refuses on: bytes below a program's limit can be mapped with
 * nobody's consent, touched or not. It is more than what is resident (Node maps 48 MiB and touches 6), so a
 * budget here must be larger than one that a cgroup enforces; `residentBytes` is Σ RssAnon.
 *
 * Known flaws. A fork doubles VmData without asking the limit, so Σ may exceed the budget until the copy is gone; nobody
 * can map more meanwhile. A child that lives and dies between two looks is not seen; it has had its parent's limit.
 * A child of vfork counts its parent's mappings until it execs. A program may raise its own soft limit; the next
 * rebalance lowers it again.
 */
import { MemtideError } from '../../errors.ts';
import { type LimitFailure, readDataLimit, setSoftDataLimit } from '../../native/rlimit.ts';
import { type Bytes, bytes, formatBytes, MIB } from '../../units.ts';
import type { MoveResult, ReservationLimits } from '../contracts.ts';
import type { AddResult, BudgetOptions, BudgetState, ProcessBudget } from './contracts.ts';
import { splitBudget } from './data-shares.ts';
import { ProcessStatus } from './process-status.ts';
import { ProcessTree } from './process-tree.ts';

/** How much of a program's recent growth is remembered from one rebalance to the next. */
const GROWTH_KEPT = 0.9;

/**
 * Kept between what is mapped and a lowered limit: programs go on mapping while they are looked at. Half of what the mover
 * keeps, so that a shrink planned on a reading of a moment ago is not refused for a page.
 */
const MARGIN_BYTES = 4 * MIB;

interface Program {
  readonly status: ProcessStatus;
  /** The program that was added, of which this is it or a descendant. */
  readonly root: number;
  /** The soft limit from before it came under the budget. */
  readonly ownLimit: number;
  /** The soft limit in force, as the kernel told last. */
  limit: number;
  growth: number;
}

export class RlimitBudget implements ProcessBudget {
  readonly enforcedBy = 'RLIMIT_DATA';
  readonly atTheLimit = 'malloc fails (ENOMEM)';
  limits: ReservationLimits;
  readonly #tree: ProcessTree;
  readonly #procRoot: string;
  readonly #programs = new Map<number, Program>();
  #limit: Bytes;
  // Scratch rows of the split, grown with the number of programs.
  #mapped = new Float64Array(8);
  #growth = new Float64Array(8);
  #wanted = new Float64Array(8);

  constructor({ limit, floor, ceiling }: BudgetOptions, procRoot = '/proc') {
    this.limits = { floor, ceiling };
    this.#limit = limit;
    this.#procRoot = procRoot;
    this.#tree = new ProcessTree(procRoot);
  }

  state(): BudgetState {
    this.#look();
    let used = 0;
    let resident = 0;
    for (const { status } of this.#programs.values()) {
      used += status.vmDataBytes;
      resident += status.rssAnonBytes;
    }
    return {
      limit: this.#limit,
      used: bytes(used),
      residentBytes: bytes(resident),
      processes: this.#programs.size,
    };
  }

  addProgram(pid: number): AddResult {
    this.#tree.forget();
    const added = this.#track(pid, pid);
    if (added.ok) this.#balance(this.#limit);
    return added;
  }

  removeProgram(pid: number): void {
    for (const [member, program] of this.#programs) if (program.root === pid) this.#letGo(member, program);
    this.#balance(this.#limit);
  }

  rebalance(): void {
    this.#balance(this.#limit);
  }

  grow(by: Bytes): MoveResult {
    const target = this.#limit + by;
    if (target > this.limits.ceiling)
      return this.#refuse('ceiling', `the ceiling is ${formatBytes(this.limits.ceiling)}`);
    this.#limit = bytes(target);
    this.#balance(target);
    return { ok: true, limit: this.#limit };
  }

  shrink(by: Bytes): MoveResult {
    const target = this.#limit - by;
    if (target < this.limits.floor) return this.#refuse('floor', `the floor is ${formatBytes(this.limits.floor)}`);
    // What cannot succeed must not be tried: a runtime that maps memory while its limit is down, be it for a
    // moment, dies of it (V8: "Committing semi space failed").
    const { used, processes } = this.state();
    if (processes > 0 && used + MARGIN_BYTES > target) return this.#refuseInUse(used);
    // The limits go down first and what is mapped is read after that: from then on nobody can map beyond `target`.
    const committed = this.#balance(target);
    if (committed > target) {
      this.#balance(this.#limit);
      return this.#refuseInUse(committed);
    }
    this.#limit = bytes(target);
    return { ok: true, limit: this.#limit };
  }

  close(): void {
    for (const [pid, program] of this.#programs) this.#letGo(pid, program);
  }

  /**
   * Splits `budget` over the living programs: lowers first, then raises with what is left.
   * @returns the most that the programs can have mapped from now on: Σ max(limit, VmData).
   */
  #balance(budget: number): number {
    this.#look();
    const programs = [...this.#programs.values()];
    this.#fillRows(programs);
    splitBudget(budget, programs.length, this.#mapped, this.#growth, this.#wanted);

    for (const [index, program] of programs.entries()) {
      if (this.#wanted[index]! >= program.limit) continue;
      this.#setLimit(program, this.#wanted[index]!);
      program.status.read(); // it may have mapped more since, up to its old limit
    }
    let committed = programs.reduce((sum, program) => sum + this.#committedBy(program), 0);
    for (const [index, program] of programs.entries()) {
      const by = Math.min(this.#wanted[index]! - program.limit, budget - committed);
      if (by <= 0) continue;
      committed -= this.#committedBy(program);
      this.#setLimit(program, program.limit + by);
      committed += this.#committedBy(program);
    }
    return committed;
  }

  /** The most that a program can have mapped: it does not lose what it has above its limit. */
  #committedBy(program: Program): number {
    const alive = this.#programs.get(program.status.pid) === program;
    return alive ? Math.max(program.limit, program.status.vmDataBytes) : 0;
  }

  #fillRows(programs: readonly Program[]): void {
    if (programs.length > this.#mapped.length) {
      const length = programs.length * 2;
      this.#mapped = new Float64Array(length);
      this.#growth = new Float64Array(length);
      this.#wanted = new Float64Array(length);
    }
    for (const [index, program] of programs.entries()) {
      this.#mapped[index] = program.status.vmDataBytes;
      this.#growth[index] = program.growth;
    }
  }

  /** Reads what every program has mapped; drops the dead and takes in their new children. */
  #look(): void {
    for (const { pid, parent } of this.#tree.newDescendants(this.#programs)) {
      this.#track(pid, this.#programs.get(parent)?.root ?? parent);
    }
    for (const [pid, program] of this.#programs) {
      const { status } = program;
      const before = status.vmDataBytes;
      const own = status.read() ? readDataLimit(pid) : undefined;
      if (own?.ok) {
        program.limit = own.soft;
        program.growth = Math.max(status.vmDataBytes - before, program.growth * GROWTH_KEPT);
      } else {
        this.#drop(pid, program);
      }
    }
  }

  #track(pid: number, root: number): AddResult {
    const limit = readDataLimit(pid);
    const status = ProcessStatus.open(this.#procRoot, pid);
    if (!limit.ok || !status?.read()) {
      status?.close();
      return notAdded(pid, limit.ok ? { ok: false, why: 'gone', errno: 'ESRCH' } : limit);
    }
    // Set to what it is: proof, before anything depends on it, that it may be set.
    const proof = setSoftDataLimit(pid, limit.soft);
    if (!proof.ok) {
      status.close();
      return notAdded(pid, proof);
    }
    const ownLimit = this.#programs.get(root)?.ownLimit ?? limit.soft;
    this.#programs.get(pid)?.status.close();
    this.#programs.set(pid, { status, root, ownLimit, limit: limit.soft, growth: 0 });
    return { ok: true };
  }

  /** Where it is refused (the program has changed its user) the limit stays, and is counted, as it is. */
  #setLimit(program: Program, limit: number): void {
    const { pid } = program.status;
    const set = setSoftDataLimit(pid, limit);
    if (set.ok) program.limit = set.soft;
    else if (set.why === 'gone') this.#drop(pid, program);
    else if (set.why === 'failed') {
      throw new MemtideError({ operation: 'set RLIMIT_DATA', object: `process ${pid}`, actual: set.errno });
    }
  }

  #letGo(pid: number, program: Program): void {
    if (program.status.read()) this.#setLimit(program, program.ownLimit);
    this.#drop(pid, program);
  }

  #drop(pid: number, program: Program): void {
    if (this.#programs.delete(pid)) program.status.close();
  }

  #refuseInUse(mapped: number): MoveResult {
    const kept = `${formatBytes(MARGIN_BYTES)} are kept above that`;
    return this.#refuse('floor', `the programs have ${formatBytes(mapped)} mapped, and ${kept}`);
  }

  #refuse(refusal: 'ceiling' | 'floor', reason: string): MoveResult {
    return { ok: false, refusal, limit: this.#limit, reason };
  }
}

function notAdded(pid: number, { why, errno }: LimitFailure): AddResult {
  if (why === 'gone') return { ok: false, reason: `process ${pid} has ended` };
  return {
    ok: false,
    reason: `the data limit of process ${pid} may not be set (${errno})`,
    remedy: 'run the program as the user that memtide runs as, or memtide as root',
  };
}
