import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { schedulingOf } from '../../../agent/settings.ts';
import { checkConfig } from '../../../config/load.ts';
import { MIB, roundDown } from '../../../units.ts';
import type { Progress } from '../bench-run.ts';
import { BenchChild } from '../child.ts';
import { machineFacts } from '../environment.ts';
import { SampleBook } from '../tails.ts';
import { MemoryGroup } from './memory-group.ts';
import type { MemoryHogCall } from './memory-hog.ts';
import type { Measured, PressedCall, Started } from './pressed-app.ts';
import type { PoolRow, PressureResult } from './result.ts';
import { type Swap, takeSwap } from './swap.ts';

export interface PressureOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Default: as `quick` says. */
  readonly blocks?: number;
  readonly requests?: number;
  /** `false`: as on a machine that allows none. */
  readonly swap?: false;
}

const BLOCKS = { quick: 4, full: 20 };
const REQUESTS = { quick: 20, full: 50 };
const POOL_BYTES = 64 * MIB;
const LEASE_BYTES = 4 * MIB;
/** Kept free in the cgroup when it is made short: what the measured allocations themselves need, twice. */
const HEADROOM_BYTES = 2 * LEASE_BYTES;
/** Without swap the kernel can take nothing from programs, whose heaps breathe: more is kept free for that. */
const HEADROOM_WITHOUT_SWAP_BYTES = 48 * MIB;
/** The hog's part of what the group may have beside the pool: with less, programs that sleep are all it takes from. */
const HOG_SHARE = 1 / 2;
/** Far more than can ever be taken: the kernel is to swap, not to kill. */
const SWAP_BYTES = 8 * POOL_BYTES;
/** Until the hog has gone through its memory some times. */
const SETTLE_MILLIS = 200;
/** Not in /tmp, which may be a tmpfs and then is no file that could be dropped. */
const READ_FILE = path.join('/var/tmp', `memtide-bench-${process.pid}.read`);
const STATES = ['quiet', 'short'] as const;
type State = (typeof STATES)[number];
const CASES = ['local-fresh', 'tier1', 'tier2'];

/** A warm pool, locked and not, in a cgroup whose memory is short and is not, in alternation. */
export async function runPressure(options: PressureOptions): Promise<PressureResult> {
  const { quick, progress } = options;
  const facts = machineFacts();
  progress('a cgroup, and swap', 0);
  const group = MemoryGroup.make();
  const swap = !group.ok ? undefined : options.swap === false ? { reason: 'not wanted' } : takeSwap(SWAP_BYTES);
  const swapped = swap && 'kind' in swap ? swap : undefined;
  try {
    const pools: PoolRow[] = [];
    let shortBy = 0;
    let killed = 0;
    for (const [at, lock] of [true, false].entries()) {
      const bench = new PooledBench(options, group.ok ? group : undefined, swapped, facts.page_bytes);
      pools.push(await bench.run(lock, 0.02 + 0.49 * at, 0.49));
      shortBy = Math.max(shortBy, bench.shortByBytes);
      killed += bench.killedHogs;
    }
    progress('done', 1);
    return {
      platform: 'linux',
      kind: 'pressure',
      environment: {
        date: facts.date,
        cpu: facts.cpu,
        cores: facts.cores,
        arch: facts.arch,
        kernel: facts.kernel,
        node: facts.node,
        memory_mib: facts.memory_mib,
        page_bytes: facts.page_bytes,
        load_1min: facts.load_1min,
        pool_bytes: POOL_BYTES,
        quick,
      },
      shortage: group.ok
        ? {
            by: group.enforcedBy,
            ...(swap && 'reason' in swap ? { no_swap_reason: swap.reason } : { swap: swapped!.kind }),
            short_by_bytes: shortBy,
          }
        : { not_made: group.reason, remedy: group.remedy },
      pools,
      warnings: [
        ...(killed > 0
          ? [`the kernel ended the memory hog ${killed} times: those blocks were shorter than meant`]
          : []),
        ...(facts.load_1min > facts.cores / 2
          ? [`other programs were at work before the bench began (load ${facts.load_1min.toFixed(2)})`]
          : []),
      ],
    };
  } finally {
    if (group.ok) await group.remove();
    swapped?.off();
    fs.rmSync(READ_FILE, { force: true });
  }
}

/** One machine with one pool. */
class PooledBench {
  readonly #options: PressureOptions;
  readonly #group: MemoryGroup | undefined;
  readonly #swap: Swap | undefined;
  readonly #pageBytes: number;
  readonly #book = new SampleBook<State>();
  #hog: BenchChild | undefined;
  /** How often the kernel has ended the hog. */
  killedHogs = 0;
  /** What the group is allowed while memory is short, and what the hog in it wants. */
  #limitBytes = 0;
  #hogBytes = 0;

  constructor(options: PressureOptions, group: MemoryGroup | undefined, swap: Swap | undefined, pageBytes: number) {
    this.#options = options;
    this.#group = group;
    this.#swap = swap;
    this.#pageBytes = pageBytes;
  }

  /** What the programs want beyond what they may have. */
  get shortByBytes(): number {
    return Math.max(0, this.#hogBytes - this.#headroomBytes);
  }

  get #headroomBytes(): number {
    return this.#swap ? HEADROOM_BYTES : HEADROOM_WITHOUT_SWAP_BYTES;
  }

  async run(lock: boolean, from: number, part: number): Promise<PoolRow> {
    const { quick, scratchDir, signal, progress } = this.#options;
    const blocks = this.#options.blocks ?? BLOCKS[quick ? 'quick' : 'full'];
    const requests = this.#options.requests ?? REQUESTS[quick ? 'quick' : 'full'];
    const app = new BenchChild('pressure/pressed-app', 'application');
    try {
      this.#group?.adopt(app.pid);
      this.#startHog();
      const started = await tell<Started>(app, {
        call: 'start',
        runDir: path.join(scratchDir, lock ? 'locked' : 'unlocked'),
        arenaBytes: POOL_BYTES,
        pageBytes: this.#pageBytes,
        lock,
        scheduling: schedulingOf(checkConfig({})),
      });
      await tell(app, { call: 'warm' });
      // Once, before anything was swapped out: what is there afterwards is less, and a limit by it would be tighter.
      if (this.#group) this.#plan(this.#group.usedBytes());
      const resident: Record<State, number> = { quiet: 1, short: 1 };
      for (let block = 0; block < blocks; block++) {
        for (const [at, state] of STATES.entries()) {
          signal.throwIfAborted();
          if (state === 'short' && !this.#group) continue;
          progress(
            `pool ${lock ? 'locked' : 'not locked'}, memory ${state === 'short' ? 'short' : 'plentiful'}`,
            from + (part * (block + at / STATES.length)) / blocks,
          );
          await tell(app, { call: 'warm' });
          // What was swapped out last time comes back at its next use: not while it is measured.
          await tell(app, { call: 'measure', byteLength: LEASE_BYTES, requests: 1 });
          if (state === 'short') await this.#squeeze();
          resident[state] = Math.min(resident[state], await tell<number>(app, { call: 'resident' }));
          const measured = await tell<Measured>(app, { call: 'measure', byteLength: LEASE_BYTES, requests });
          if (state === 'short')
            resident.short = Math.min(resident.short, await tell<number>(app, { call: 'resident' }));
          for (const [name, micros] of Object.entries(measured)) this.#book.add(name, state, micros);
          await this.#release();
        }
      }
      await tell(app, { call: 'stop' });
      return this.#row(lock, started, resident);
    } finally {
      this.#group?.lift();
      await this.#hog?.stop();
      await app.stop();
    }
  }

  #plan(usedBytes: number): void {
    this.#limitBytes = usedBytes + this.#headroomBytes;
    this.#hogBytes = this.#swap
      ? roundDown((this.#limitBytes - POOL_BYTES) * HOG_SHARE, MIB)
      : 2 * HEADROOM_WITHOUT_SWAP_BYTES;
  }

  /** Lets the group have little more than it used at first, and the hog want more than that. */
  async #squeeze(): Promise<void> {
    this.#group!.limit(this.#limitBytes);
    if (this.#swap) await this.#tellHog({ call: 'hold', byteLength: this.#hogBytes });
    else await this.#tellHog({ call: 'read', file: this.#fileToRead() });
    await wait(SETTLE_MILLIS);
  }

  async #release(): Promise<void> {
    this.#group?.lift();
    await this.#tellHog({ call: 'drop' });
  }

  #startHog(): void {
    this.#hog = new BenchChild('pressure/memory-hog', 'memory hog');
    this.#group?.adopt(this.#hog.pid);
  }

  /** The kernel may find the group too short and end the hog, first of all in it: that is a shortage as well. */
  async #tellHog(call: MemoryHogCall): Promise<void> {
    try {
      await this.#hog!.call(call);
    } catch {
      this.killedHogs++;
      await this.#hog!.stop();
      this.#startHog();
    }
  }

  /** On a disk: the kernel drops what it can read again. */
  #fileToRead(): string {
    if (!fs.existsSync(READ_FILE)) fs.writeFileSync(READ_FILE, Buffer.alloc(this.#hogBytes));
    return READ_FILE;
  }

  #row(lock: boolean, { locked, lockReason }: Started, resident: Record<State, number>): PoolRow {
    return {
      lock,
      locked,
      ...(lockReason === undefined ? {} : { lock_reason: lockReason }),
      resident_quiet: resident.quiet,
      ...(this.#group ? { resident_short: resident.short } : {}),
      tiers: CASES.map((name) => {
        const [quiet, short] = STATES.map((state) => this.#book.tail(name, state));
        return { case: name, bytes: LEASE_BYTES, ...(quiet && { quiet }), ...(short && { short }) };
      }),
    };
  }
}

const tell = <Answer>(app: BenchChild, call: PressedCall): Promise<Answer> => app.call<Answer>(call);
