/** Who this process is and what it may do, from /proc/self. */
import type { Limit, RightsFacts } from './facts.ts';
import type { FileTree } from './file-tree.ts';

export function rightsFacts(tree: FileTree): RightsFacts {
  const status = tree.text('/proc/self/status') ?? '';
  const limits = tree.text('/proc/self/limits') ?? '';
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  const capabilities = /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1];
  return {
    uid: uid === undefined ? undefined : Number(uid),
    capabilities: capabilities === undefined ? undefined : BigInt(`0x${capabilities}`),
    dataBytes: parseLimit(limits, 'Max data size'),
    lockedBytes: parseLimit(limits, 'Max locked memory'),
    nice: parseLimit(limits, 'Max nice priority'),
    realtimePriority: parseLimit(limits, 'Max realtime priority'),
    sessionGroups: tree.text('/proc/sys/kernel/sched_autogroup_enabled')?.trim() === '1',
  };
}

/** A row of /proc/self/limits: its name, the soft limit, the hard limit, the unit. */
export function parseLimit(text: string, name: string): Limit | undefined {
  const row = text.split('\n').find((line) => line.startsWith(name));
  const fields = row?.slice(name.length).trim().split(/\s+/);
  if (fields?.[0] === undefined || fields[1] === undefined) return undefined;
  const figure = (field: string): number => (field === 'unlimited' ? Number.POSITIVE_INFINITY : Number(field));
  return { soft: figure(fields[0]), hard: figure(fields[1]) };
}

/** Bits of the capability sets (linux/capability.h). */
export const CAPABILITY = { IPC_LOCK: 14n, SYS_ADMIN: 21n, SYS_NICE: 23n, SYS_RESOURCE: 24n } as const;

export function hasCapability({ capabilities }: RightsFacts, capability: keyof typeof CAPABILITY): boolean {
  return capabilities !== undefined && ((capabilities >> CAPABILITY[capability]) & 1n) === 1n;
}
