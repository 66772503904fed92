import { readArenaInfo } from '../../../coordination/arena-info.ts';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { RunFiles } from '../../../coordination/run-files.ts';
import { errorMessage } from '../../../errors.ts';
import { type Arena, openArena } from '../../../platforms/arena/arena-file.ts';
import { bytes } from '../../../units.ts';
import { tier1 } from '../arena-cases.ts';
import { BenchMachine } from '../bench-machine.ts';
import { localFresh } from '../local-cases.ts';
import { measure } from '../measure.ts';
import { tier2 } from '../peer-cases.ts';

/**
 * The application that is measured, and its machine below it: a process of its own, so that all of them can be put into
 * a cgroup that is short of memory while the bench itself is not.
 */
export type PressedCall =
  | {
      readonly call: 'start';
      readonly runDir: string;
      readonly arenaBytes: number;
      readonly pageBytes: number;
      readonly lock: boolean;
      readonly scheduling: PlaneScheduling;
    }
  /** Brings all of the pool into memory, as a use of it does. */
  | { readonly call: 'warm' }
  /** Answers with `Measured`. */
  | { readonly call: 'measure'; readonly byteLength: number; readonly requests: number }
  /** Answers with the share of the pool that is in memory, 0 to 1. */
  | { readonly call: 'resident' }
  | { readonly call: 'stop' };

export interface Started {
  readonly locked: boolean;
  readonly lockReason: string | undefined;
}

/** Samples of each case, in microseconds; those that are none are left out. */
export type Measured = Readonly<Record<string, readonly number[]>>;

const aborted = new AbortController().signal;
let machine: BenchMachine;
let arena: Arena;
let pageBytes: number;

async function obey(call: PressedCall): Promise<unknown> {
  switch (call.call) {
    case 'start':
      return start(call);
    case 'warm':
      await machine.setReserve(machine.chunkCount);
      return warm();
    case 'measure':
      return measureAll(call.byteLength, call.requests);
    case 'resident':
      return residentShare();
    case 'stop':
      await machine.stop();
      return undefined;
  }
}

async function start(call: PressedCall & { call: 'start' }): Promise<Started> {
  const { runDir, arenaBytes, lock, scheduling } = call;
  pageBytes = call.pageBytes;
  // Base pages: those are what a kernel that is short of memory takes one by one.
  machine = new BenchMachine({ runDir, arenaBytes: bytes(arenaBytes), hugePages: 'never', lock, scheduling });
  await machine.start();
  arena = openArena(readArenaInfo(new RunFiles(runDir).arenaInfo)!.arena);
  const { locked, lockReason } = machine.arena;
  return { locked, lockReason };
}

async function warm(): Promise<void> {
  const all = machine.app.claimableBytes;
  const lease = await machine.app.borrow(all);
  lease.fill(1);
  lease.release();
  await machine.untilClaimable(all);
}

async function measureAll(byteLength: number, requests: number): Promise<Measured> {
  await machine.setReserve(machine.chunkCount);
  const tally = { requests: 0, hits: 0, releasedBytes: 0 };
  // Cold goes round through the pool, so that it finds what was taken from it.
  const cases = [localFresh, tier1({ machine, tally, coldBytes: 0, evict: () => {} }, 'cold')];
  const samples = await measure(cases, byteLength, requests, aborted);
  await machine.setReserve(0);
  samples.push(...(await measure([tier2(machine, 'tier2')], byteLength, requests, aborted)));
  await machine.drainDonor();
  return Object.fromEntries(samples.map(({ of, micros }) => [of.name, micros.filter((one) => !Number.isNaN(one))]));
}

/** Everything in the arena: free, offered or held. */
function residentShare(): number {
  const { byteLength } = arena.mapping;
  return arena.residentBytes(0, byteLength, pageBytes) / byteLength;
}

process.on('message', (call: PressedCall) => {
  obey(call).then(
    (answer) => process.connected && process.send!({ answer }),
    (error) => process.connected && process.send!({ error: errorMessage(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
