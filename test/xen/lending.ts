/**
 * Agents that lend and borrow, and a program of the suite in each guest that leases. The parts of the suite that need them
 * share them, for starting them takes a minute.
 */
import { after, before } from 'node:test';
import { MIB } from '../../src/units.ts';
import { GUESTS, type Guest, GuestProgram, xlMib } from './guests.ts';
import type { LeaseCalls } from './lease-program.ts';
import { killDom0Agent, killGuestAgent, startDom0Agent, startGuestAgent, until, untilLent } from './lending-agents.ts';
import type { LentStatus } from './lent-status.ts';

/** As boards/qemu/virt-arm64/lending-*.json have it. */
export const ARENA_MIB = 48;
export const RESERVE_MIB = 8;
export const CHUNK_MIB = 2;
/** Shares are not made equal to the chunk: moving memory costs more than a small difference. */
export const LEAST_MIB = ARENA_MIB / 2 - ARENA_MIB / 8;

export const [cluster, infotainment] = GUESTS as [Guest, Guest];

export const granted = ({ guests }: LentStatus, { name }: Guest): number =>
  (guests.find((guest) => guest.name === name)?.granted_bytes ?? 0) / MIB;
export const isShared = (status: LentStatus): boolean =>
  [cluster, infotainment].every((guest) => granted(status, guest) >= LEAST_MIB) &&
  granted(status, cluster) + granted(status, infotainment) === ARENA_MIB;

export type LeasingProgram = GuestProgram<LeaseCalls>;

const startProgram = (guest: Guest): Promise<LeasingProgram> => GuestProgram.start<LeaseCalls>(guest, 'lease-program');

export const letIn = (program: LeasingProgram, { name }: Guest): Promise<true> =>
  until('an application is let in', () =>
    program.call('connect', name).then(
      () => true as const,
      () => undefined,
    ),
  );

/** Takes all that is there to be taken. @returns how much, in MiB. */
export async function takeAll(program: LeasingProgram): Promise<number> {
  let taken = 0;
  while (await program.call('tryBorrow', CHUNK_MIB)) taken += CHUNK_MIB;
  return taken;
}

/** What the agent of a guest says of its leases. */
export interface GuestStatus {
  readonly leases?: {
    readonly mapped_bytes: number;
    readonly figures?: Readonly<Record<string, number>>;
  };
}

export class Lending {
  /** In `cluster`, and in `infotainment`. */
  app: LeasingProgram;
  other: LeasingProgram;
  /** What the guests held before anything was lent to them. */
  readonly heldBefore: readonly number[];

  private constructor(app: LeasingProgram, other: LeasingProgram, heldBefore: readonly number[]) {
    this.app = app;
    this.other = other;
    this.heldBefore = heldBefore;
  }

  static async start(): Promise<Lending> {
    const [app, other] = await Promise.all([startProgram(cluster), startProgram(infotainment), startDom0Agent()]);
    const lending = new Lending(app, other, await held(app));
    await Promise.all([startGuestAgent(cluster), startGuestAgent(infotainment)]);
    await untilLent('each guest has its share', isShared);
    await Promise.all([letIn(app, cluster), letIn(other, infotainment)]);
    return lending;
  }

  /** By Xen's count and that of the kernel there. */
  held(): Promise<readonly number[]> {
    return held(this.app);
  }

  /** Instead of the one in `infotainment` that is gone. */
  async startOther(): Promise<void> {
    this.other = await startProgram(infotainment);
    await letIn(this.other, infotainment);
  }

  async stop(): Promise<void> {
    await killDom0Agent('SIGTERM');
    for (const guest of [cluster, infotainment]) await killGuestAgent(guest, 'TERM');
    await Promise.all([this.app.stop(), this.other.stop()]);
  }
}

/** A guest holds what is mapped into it from elsewhere beside this. */
async function held(program: LeasingProgram): Promise<number[]> {
  return [await xlMib(cluster), await program.call('currentKib'), await xlMib(infotainment)];
}

let users = 0;
let started: Promise<Lending> | undefined;

/** For a `describe`: everything runs before its first test, and ends after the last one that needs it. */
export function withLending(): () => Lending {
  let lending: Lending;
  users++;
  before(async () => {
    started ??= Lending.start();
    lending = await started;
  });
  after(async () => {
    if (--users === 0) await lending?.stop();
  });
  return () => lending;
}
