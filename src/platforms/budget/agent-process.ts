/**
 * The process that a domain's cgroup belongs to. Its number alone would not do: after a `kill -9` the cgroup stays, and in
 * a container the next agent often gets the same number.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AgentProcess {
  readonly pid: number;
  /** In clock ticks since the boot: no other process of this boot has both the same. */
  readonly startTicks: number;
}

/** @returns undefined when there is no such process. */
export function agentProcess(procRoot: string, pid: number): AgentProcess | undefined {
  try {
    const stat = readFileSync(join(procRoot, String(pid), 'stat'), 'latin1');
    // Field 22, counted from behind the name, which may hold anything: proc_pid_stat(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** Whether that very process still runs. */
export const runs = (procRoot: string, { pid, startTicks }: AgentProcess): boolean =>
  agentProcess(procRoot, pid)?.startTicks === startTicks;

export const cgroupName = (domain: string, { pid, startTicks }: AgentProcess): string =>
  `memtide-${domain}-${pid}-${startTicks}`;

/** @returns undefined when a cgroup of this name is none of memtide's. */
export function ownerOf(name: string): AgentProcess | undefined {
  const [, pid, startTicks] = /^memtide-.+-(\d+)-(\d+)$/.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), startTicks: Number(startTicks) };
}
