/** Constructs within a domain: what its kernel is asked for, so that its balloon and its event channels are soon served. */
import fs from 'node:fs';
import path from 'node:path';
import { readScheduling, setScheduling } from '../native/thread-scheduling.ts';
import type { Construct } from './constructs.ts';

/** The kernel's thread that moves the balloon: its priority is the hidden latency of every move. */
export const balloonThread = (priority: number, procRoot = '/proc'): Construct => {
  const thread = (): number => {
    const pid = fs
      .readdirSync(procRoot)
      .find((name) => /^\d+$/.test(name) && readText(path.join(procRoot, name, 'comm')).trim() === 'xen-balloon');
    if (pid === undefined) throw new Error('this kernel has no xen-balloon thread');
    return Number(pid);
  };
  return {
    name: 'xen-balloon thread',
    wanted: `fifo ${priority}`,
    read: async () => {
      const { policy, priority: now } = readScheduling(thread());
      return policy === 'fifo' ? `fifo ${now}` : policy;
    },
    write: async (value) => {
      const [policy, wanted = '0'] = value.split(' ');
      const errno = setScheduling(thread(), policy === 'fifo' ? 'fifo' : 'other', Number(wanted));
      if (errno !== undefined) throw new Error(errno);
    },
  };
};

/**
 * What keeps a kernel from looking for large free pages where nobody has asked for any: a balloon leaves memory in single
 * pages, so that each search for more is long and finds little, and the kernel counts it as a stall of its programs (kcompactd
 * in PSI). Linux looks when pages of one kind have to be taken from a block of another kind (mm/page_alloc.c), as memory
 * scatters, and for the buffers of packets.
 */
export const SINGLE_PAGES: ReadonlyMap<string, string> = new Map([
  ['vm.watermark_boost_factor', '0'],
  ['vm.compaction_proactiveness', '0'],
  ['net.core.high_order_alloc_disable', '1'],
]);

export const singlePages = (procRoot = '/proc'): Construct[] =>
  [...SINGLE_PAGES].map(([name, wanted]) => sysctl(name, wanted, procRoot));

function sysctl(name: string, wanted: string, procRoot: string): Construct {
  const file = path.join(procRoot, 'sys', ...name.split('.'));
  return {
    name,
    wanted,
    read: async () => fs.readFileSync(file, 'latin1').trim(),
    write: async (value) => fs.writeFileSync(file, value),
  };
}

/** All interrupts of event channels that programs have bound, to one CPU. Those bound later go where the kernel puts them. */
export const eventChannelCpu = (cpu: number, procRoot = '/proc'): Construct => {
  const affinity = (irq: string): string => path.join(procRoot, 'irq', irq, 'smp_affinity_list');
  const irqs = (): string[] => {
    const found = eventChannelIrqs(readText(path.join(procRoot, 'interrupts')));
    if (found.length === 0) throw new Error('no program has bound an event channel');
    return found;
  };
  return {
    name: 'CPU of event channels',
    wanted: String(cpu),
    read: async () => [...new Set(irqs().map((irq) => readText(affinity(irq)).trim()))].join('; '),
    write: async (value) => {
      // What stood differed from one to the next: the first is put back for all.
      for (const irq of irqs()) fs.writeFileSync(affinity(irq), value.split('; ')[0]!);
    },
  };
};

/** Numbers of the interrupts that /dev/xen/evtchn has bound: `evtchn:PROGRAM` in the last column. */
export const eventChannelIrqs = (interrupts: string): string[] =>
  interrupts.split('\n').flatMap((line) => {
    const irq = /^\s*(\d+):.*\sevtchn:\S/.exec(line)?.[1];
    return irq === undefined ? [] : [irq];
  });

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return ''; // a process that has ended meanwhile
  }
}
