/** Which of the two enforces a domain's budget here: a cgroup where there is one to be had, else RLIMIT_DATA. */
import { EXIT, MemtideError } from '../../errors.ts';
import { formatBytes } from '../../units.ts';
import { agentProcess, runs } from './agent-process.ts';
import { CgroupBudget } from './cgroup-budget.ts';
import { type CgroupFiles, cgroupFiles } from './cgroup-files.ts';
import { findCgroupPlace } from './cgroup-place.ts';
import type { BudgetOptions, ProcessBudget } from './contracts.ts';
import { RlimitBudget } from './rlimit-budget.ts';

export interface BudgetChoice {
  readonly budget: ProcessBudget;
  /** For people: why this one. */
  readonly reason: string;
}

export interface ChooseOptions extends BudgetOptions {
  /** `auto` takes a cgroup where there is one. */
  readonly enforcement?: 'auto' | 'cgroup' | 'rlimit';
  /** Of this process. */
  readonly pid: number;
  readonly procRoot?: string;
  readonly files?: CgroupFiles;
}

/** @throws MemtideError when the limits do not fit together, or a cgroup was demanded and cannot be had. */
export function chooseBudget(options: ChooseOptions): BudgetChoice {
  const { enforcement = 'auto', procRoot = '/proc', files = cgroupFiles, pid } = options;
  check(options);
  if (enforcement === 'rlimit') return { budget: new RlimitBudget(options, procRoot), reason: 'as configured' };

  const place = findCgroupPlace(files, procRoot, pid);
  if (place.ok) {
    const reason = `a cgroup v${place.version} can be made in ${place.parent}`;
    const agent = agentProcess(procRoot, pid) ?? { pid, startTicks: 0 };
    return { budget: CgroupBudget.open(options, place, files, agent, (other) => runs(procRoot, other)), reason };
  }
  if (enforcement === 'cgroup') {
    throw new MemtideError({
      operation: "bound the domain's memory by a cgroup",
      actual: place.reason,
      remedy: place.remedy,
      exitCode: EXIT.unavailable,
    });
  }
  return { budget: new RlimitBudget(options, procRoot), reason: `no cgroup to be had (${place.reason})` };
}

function check({ name, limit, floor, ceiling }: BudgetOptions): void {
  const fail = (expected: string, actual: string): never => {
    throw new MemtideError({ operation: 'set up a budget', object: name, expected, actual, exitCode: EXIT.config });
  };
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) fail('a name of letters, digits, `-`, `_` and `.`', name);
  if (floor > limit || limit > ceiling) {
    const found = [floor, limit, ceiling].map(formatBytes).join(', ');
    fail('floor ≤ limit ≤ ceiling', found);
  }
}
