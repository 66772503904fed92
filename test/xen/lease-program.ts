/** An application of the suite in a guest: borrows what dom0 lends, through the library. */
import fs from 'node:fs';
import { type Connection, openConnection } from '../../src/client/connection.ts';
import type { Lease } from '../../src/client/lease.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askDomain } from '../../src/demo/backend-status.ts';
import { MIB } from '../../src/units.ts';
import { answerCalls } from './answer-calls.ts';

/** Another one where it is no guest, but stands in for one: test/e2e/leases-over-grants.test.ts. */
const RUN_DIR = process.argv[4] ?? '/run/memtide';
let connection: Connection | undefined;
const leases: Lease[] = [];

const calls = {
  async connect(domain: string): Promise<void> {
    connection = await openConnection(new RunFiles(RUN_DIR).domain(domain).socket);
  },
  claimableMib: (): number => connection!.claimableBytes / MIB,
  /** @returns the bytes of each tier, or undefined where there is too little. All of it was zero, and is filled then. */
  tryBorrow(mib: number): { readonly reserve: number; readonly pool: number; readonly peer: number } | undefined {
    const lease = connection!.tryBorrow(mib * MIB);
    if (!lease) return undefined;
    if (lease.view.some((byte) => byte !== 0)) throw new Error('lent memory was not zeroed');
    lease.fill(leases.push(lease));
    return lease.tierBytes;
  },
  /** Whether every byte of every lease is what was written there. */
  leasesHold: (): boolean => leases.every((lease, at) => lease.view.every((byte) => byte === ((at + 1) & 0xff))),
  releaseAll(): number {
    const count = leases.length;
    for (const lease of leases.splice(0)) lease.release();
    return count;
  },
  pid: (): number => process.pid,
  status: (domain: string): Promise<unknown> => askDomain(new RunFiles(RUN_DIR).domain(domain).socket),
  currentKib: (): number =>
    Number(fs.readFileSync('/sys/devices/system/xen_memory/xen_memory0/info/current_kb', 'latin1')),
  async close(): Promise<void> {
    leases.length = 0; // they end with it
    await connection?.close();
    connection = undefined;
  },
};

export type LeaseCalls = typeof calls;

answerCalls(calls);
