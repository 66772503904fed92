import path from 'node:path';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { BorrowRefused } from '../../../client/connection.ts';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { summarize } from '../../../latency/percentiles.ts';
import { KIB, MIB } from '../../../units.ts';
import type { Progress } from '../bench-run.ts';
import { machineFacts } from '../environment.ts';
import { measureHandshake } from '../handshake.ts';
import { microsSince } from '../timed-case.ts';
import { busyWarning } from '../warnings.ts';
import { ARENA_BYTES, CHUNK_BYTES, DomainsMachine, FRONTS_PER_PROCESS } from './domains-machine.ts';
import type { DomainsResult, DomainsRow } from './result.ts';

export interface DomainsOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  readonly scheduling: PlaneScheduling;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Default: 2, 4, 8, 16, 32, 64. */
  readonly counts?: readonly number[];
  readonly rounds?: DomainsRounds;
}

export interface DomainsRounds {
  readonly handshakes: number;
  readonly requests: number;
  readonly idleMillis: number;
  readonly claimMillis: number;
}

export const DOMAIN_COUNTS = [2, 4, 8, 16, 32, 64] as const;
const ROUNDS = {
  quick: { handshakes: 2000, requests: 1000, idleMillis: 2000, claimMillis: 500 },
  full: { handshakes: 20_000, requests: 5000, idleMillis: 10_000, claimMillis: 2000 },
};
/** Of all domains together, whatever their number. */
export const RATE_PER_SECOND = 500;
/** Requests come in such groups: a timer has the grain of a millisecond. */
const GROUP = 5;
/** Of the arena, divided among the domains; the rest is free, so that an offer can be filled while another is scrubbed. */
const OFFERED_SHARE = 3 / 4;
/** What was started needs a while until it is at rest: V8 gives back what the start used, planes beat at their pace. */
const SETTLE_MILLIS = 1000;
const DEADLINE_MILLIS = 200;

/** What one back end costs with more and more domains. @throws the signal's reason when it is aborted. */
export async function runDomains(options: DomainsOptions): Promise<DomainsResult> {
  const { quick, scratchDir, scheduling, signal, progress, counts = DOMAIN_COUNTS } = options;
  const facts = machineFacts();
  const rounds = options.rounds ?? ROUNDS[quick ? 'quick' : 'full'];
  const rows: DomainsRow[] = [];
  let arena: DomainsMachine['arena'] | undefined;
  for (const [index, count] of counts.entries()) {
    signal.throwIfAborted();
    progress(`${count} domains`, index / counts.length);
    const machine = new DomainsMachine(path.join(scratchDir, `of-${count}`), count, scheduling);
    try {
      await machine.start();
      arena = machine.arena;
      rows.push(await measureRow(machine, count, rounds, signal));
    } finally {
      await machine.stop();
    }
  }
  progress('done', 1);
  const busy = busyWarning(facts);
  return {
    platform: 'linux',
    environment: {
      ...facts,
      arena_mib: ARENA_BYTES / MIB,
      arena_huge: arena?.huge ?? false,
      arena_locked: arena?.locked ?? false,
      chunk_bytes: CHUNK_BYTES,
      doorbell: 'futex',
      fast_plane_nice: scheduling.nice ?? 0,
      fast_plane_policy: scheduling.policy ?? 'other',
      quick,
    },
    rows,
    warnings: busy === undefined ? [] : [busy],
  };
}

async function measureRow(
  machine: DomainsMachine,
  domains: number,
  rounds: DomainsRounds,
  signal: AbortSignal,
): Promise<DomainsRow> {
  await wait(Math.min(SETTLE_MILLIS, rounds.idleMillis), undefined, { signal });
  const idle = await cpuWhile(machine, () => wait(rounds.idleMillis, undefined, { signal }));
  const handshake = await measureHandshake(machine.runDir, rounds.handshakes, signal);
  const asked: number[] = [];
  let refused = 0;
  await askInTurn(machine, Math.min(rounds.requests, 2 * domains), signal); // both sides compile what they run
  const busy = await cpuWhile(machine, async () => {
    const answers = await askInTurn(machine, rounds.requests, signal);
    asked.push(...answers.micros);
    refused = answers.refused;
  });
  const claims = await claimInTurn(machine, domains, rounds.claimMillis, signal);
  const { backend, fronts } = machine.privateMib();
  const requests = asked.length + refused;
  return {
    domains,
    front_processes: Math.ceil((domains - 1) / FRONTS_PER_PROCESS),
    handshake: latencyOf(handshake),
    request: fromSamples(asked),
    refused,
    rate_per_s: requests / busy.seconds,
    backend_idle_percent: idle.backend * 100,
    backend_busy_percent: busy.backend * 100,
    backend_us_per_request: ((busy.backend - idle.backend) * busy.seconds * 1e6) / requests,
    fronts_idle_percent: idle.fronts * 100,
    claim: claims.latency,
    claims_per_s: claims.perSecond,
    claims_hit_rate: claims.hitRate,
    front_us_per_claim: claims.frontMicros,
    backend_mib: backend,
    front_mib: fronts,
    control_kib: machine.controlBytes() / KIB,
  };
}

/** Shares of a core. */
async function cpuWhile(machine: DomainsMachine, act: () => Promise<unknown>) {
  const before = performance.now();
  const [backend, fronts] = [machine.backendCpuMicros(), machine.frontCpuMicros()];
  await act();
  const micros = microsSince(before);
  return {
    seconds: micros / 1e6,
    backend: (machine.backendCpuMicros() - backend) / micros,
    fronts: (machine.frontCpuMicros() - fronts) / micros,
  };
}

/** One chunk each time, for another domain each time; nothing is on offer, so the back end must find it. */
async function askInTurn({ apps }: DomainsMachine, requests: number, signal: AbortSignal) {
  const micros: number[] = [];
  let refused = 0;
  const began = performance.now();
  for (let asked = 0; asked < requests; asked++) {
    if (asked % GROUP === 0) {
      const due = began + (asked / RATE_PER_SECOND) * 1000;
      await wait(Math.max(0, due - performance.now()), undefined, { signal });
    }
    const app = apps[asked % apps.length]!;
    const before = performance.now();
    try {
      const lease = app.borrowSync(CHUNK_BYTES, { deadline: DEADLINE_MILLIS });
      micros.push(microsSince(before));
      lease.release();
    } catch (error) {
      if (!(error instanceof BorrowRefused)) throw error;
      refused++;
    }
  }
  return { micros, refused };
}

/** Claims and releases what is on offer, as fast as one thread can, for each domain in turn. */
async function claimInTurn(machine: DomainsMachine, domains: number, millis: number, signal: AbortSignal) {
  const offered = Math.floor((ARENA_BYTES / CHUNK_BYTES / domains) * OFFERED_SHARE);
  await machine.offer(offered);
  while (machine.apps.some((app) => app.claimableBytes === 0)) await wait(5, undefined, { signal });
  const micros: number[] = [];
  let tries = 0;
  const began = performance.now();
  const cpuBefore = machine.frontCpuMicros();
  while (performance.now() - began < millis) {
    for (const app of machine.apps) {
      const before = performance.now();
      const lease = app.tryBorrow(CHUNK_BYTES);
      const taken = microsSince(before);
      tries++;
      if (!lease) continue;
      micros.push(taken);
      lease.release();
    }
    if (tries % 256 < machine.apps.length) await turn(undefined, { signal });
  }
  const seconds = microsSince(began) / 1e6;
  const frontMicros = machine.frontCpuMicros() - cpuBefore;
  await machine.offer(0);
  const hits = micros.length;
  return {
    latency: fromSamples(micros),
    perSecond: hits / seconds,
    hitRate: hits / tries,
    frontMicros: frontMicros / hits,
  };
}

const latencyOf = ({ n, p50_us, p99_us, max_us }: DomainsRow['handshake']): DomainsRow['handshake'] => ({
  n,
  p50_us,
  ...(p99_us !== undefined && { p99_us }),
  max_us,
});

function fromSamples(micros: readonly number[]): DomainsRow['request'] {
  const summary = summarize(micros);
  if (!summary) throw new Error('nothing was served');
  const { n, p50, p99, max } = summary;
  return { n, p50_us: p50, ...(p99 !== undefined && { p99_us: p99 }), max_us: max };
}
