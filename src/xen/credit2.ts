/** Constructs of Xen's credit2 scheduler, through the toolstack: dom0 only. */
import type { Construct } from './constructs.ts';
import { runXl, type XlOutcome } from './xl.ts';

type Xl = (args: readonly string[]) => Promise<XlOutcome>;

/** Of the pool that every domain is in unless somebody has moved it. */
const POOL = 'Pool-0';

async function said(xl: Xl, ...args: string[]): Promise<string> {
  const { code, output } = await xl(args);
  if (code !== 0) throw new Error(output.trim() || `xl ${args[0]}: exit code ${code}`);
  return output;
}

function found(text: string, pattern: RegExp): string {
  const match = pattern.exec(text)?.[1];
  if (match === undefined) throw new Error(`xl says something unknown: ${text.trim().slice(0, 80)}`);
  return match;
}

/** A domain that has begun to run is not preempted for so long; 0: for no time at all. */
export const rateLimit = (micros: number, xl: Xl = runXl): Construct => ({
  name: 'rate limit of credit2',
  wanted: `${micros} µs`,
  read: async () => `${found(await said(xl, 'sched-credit2', '-s', '-p', POOL), /ratelimit=(\d+)us/)} µs`,
  write: async (value) => {
    await said(xl, 'sched-credit2', '-s', '-p', POOL, '-r', value.replace(/\D/g, ''));
  },
});

/** Its share of the CPUs against other domains; 256 is what every domain begins with. */
export const weight = (domain: string, share: number, xl: Xl = runXl): Construct => ({
  name: `weight of ${domain}`,
  wanted: String(share),
  // The name may have spaces: counted from the right, Weight comes before Cap.
  read: async () => found(await said(xl, 'sched-credit2', '-d', domain), /(\d+)\s+\d+\s*$/),
  write: async (value) => {
    await said(xl, 'sched-credit2', '-d', domain, '-w', value);
  },
});

/** The physical CPUs that its virtual ones may run on: hard affinity. */
export const pinning = (domain: string, cpus: string, xl: Xl = runXl): Construct => ({
  name: `CPUs of ${domain}`,
  wanted: cpus,
  read: async () => {
    const rows = (await said(xl, 'vcpu-list', domain)).trim().split('\n').slice(1);
    const each = rows.map((row) => found(row, /(\S+)\s*\/\s*\S+\s*$/));
    return [...new Set(each)].join('; ');
  },
  write: async (value) => {
    await said(xl, 'vcpu-pin', domain, 'all', value);
  },
});
