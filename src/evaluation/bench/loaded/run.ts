import path from 'node:path';
import { schedulingOf } from '../../../agent/settings.ts';
import { checkConfig } from '../../../config/load.ts';
import type { ConstructReport } from '../../../coordination/plane-constructs.ts';
import { sessionGroup } from '../../../native/session-group.ts';
import { callingThread } from '../../../native/thread-scheduling.ts';
import { bytes, MIB } from '../../../units.ts';
import { tier1 } from '../arena-cases.ts';
import { BenchMachine } from '../bench-machine.ts';
import type { Progress } from '../bench-run.ts';
import { BenchChild } from '../child.ts';
import { machineFacts } from '../environment.ts';
import { localFresh } from '../local-cases.ts';
import { measure } from '../measure.ts';
import { tier2 } from '../peer-cases.ts';
import { SampleBook } from '../tails.ts';
import type { TimedCase } from '../timed-case.ts';
import { type Construct, constructsToMeasure } from './constructs.ts';
import { Hogs } from './hogs.ts';
import type { ProbeCall } from './probe.ts';
import type { ConstructRow, LoadedResult, TierRow } from './result.ts';

export interface LoadedOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Default: as `quick` says. */
  readonly blocks?: LoadedBlocks;
}

/** A block measures everything once in both states, so that what the machine does meanwhile falls on all alike. */
export interface LoadedBlocks {
  readonly blocks: number;
  readonly handshakes: number;
  readonly requests: number;
}

/** 50,000 handshakes a construct and state: p99.9 is then the fiftieth from the end. */
const BLOCKS: Record<'quick' | 'full', LoadedBlocks> = {
  quick: { blocks: 10, handshakes: 1000, requests: 5 },
  full: { blocks: 50, handshakes: 1000, requests: 10 },
};
const ARENA_BYTES = bytes(64 * MIB);
const LEASE_BYTES = 4 * MIB;
const STATES = ['quiet', 'loaded'] as const;
type State = (typeof STATES)[number];
/** What a request of tier 2 is called in the book, by construct. */
const requestOf = ({ name }: Construct): string => `tier2 under ${name}`;

/** The handshake and tier 2 under each construct, and all tiers under the default ones, beside busy programs and not. */
export async function runLoaded(options: LoadedOptions): Promise<LoadedResult> {
  const { quick, scratchDir, signal, progress } = options;
  const { blocks, handshakes, requests } = options.blocks ?? BLOCKS[quick ? 'quick' : 'full'];
  const facts = machineFacts();
  const { cpus } = callingThread.read();
  const constructs = constructsToMeasure(schedulingOf(checkConfig({})), cpus, quick);
  const preferred = constructs.find(({ isDefault }) => isDefault)!;
  const machine = new BenchMachine({
    runDir: path.join(scratchDir, 'loaded'),
    arenaBytes: ARENA_BYTES,
    hugePages: 'auto',
  });
  const hogs = new Hogs(Math.max(2, cpus.length));
  let probe: BenchChild | undefined;
  try {
    progress('a back end, two domains, a donor and programs that keep the CPUs busy', 0);
    await machine.start();
    probe = new BenchChild('loaded/probe', 'probe');
    await ask(probe, { call: 'connect', runDir: machine.runDir });
    hogs.start();
    const bench = new LoadedBench(machine, probe, hogs, signal);
    for (let block = 0; block < blocks; block++) {
      for (const [turn, construct] of rotated(constructs, block).entries()) {
        progress(construct.name, 0.02 + (0.98 * (block + turn / (constructs.length + 1))) / blocks);
        await bench.underConstruct(construct, block, handshakes, requests);
      }
      await bench.tiers(preferred, block, requests);
    }
    progress('done', 1);
    return {
      platform: 'linux',
      kind: 'loaded',
      environment: {
        date: facts.date,
        cpu: facts.cpu,
        cores: facts.cores,
        arch: facts.arch,
        kernel: facts.kernel,
        node: facts.node,
        load_1min: facts.load_1min,
        hogs: hogs.count,
        session_groups: sessionGroup.readNice() !== undefined,
        quick,
      },
      constructs: constructs.map((construct) => bench.rowOf(construct)),
      tiers: bench.tierRows(preferred),
      warnings:
        facts.load_1min > facts.cores / 2
          ? [`other programs were at work before the bench began (load ${facts.load_1min.toFixed(2)})`]
          : [],
    };
  } finally {
    await hogs.stop();
    await probe?.stop();
    await machine.stop();
  }
}

const ask = <Answer>(probe: BenchChild, call: ProbeCall): Promise<Answer> => probe.call<Answer>(call);

const rotated = <Item>(items: readonly Item[], by: number): Item[] =>
  items.map((_, at) => items[(at + by) % items.length]!);

class LoadedBench {
  readonly #machine: BenchMachine;
  readonly #probe: BenchChild;
  readonly #hogs: Hogs;
  readonly #signal: AbortSignal;
  readonly #book = new SampleBook<State>();
  readonly #refused = new Map<string, ConstructReport[]>();
  readonly #local: readonly TimedCase[];
  readonly #peer: TimedCase;

  constructor(machine: BenchMachine, probe: BenchChild, hogs: Hogs, signal: AbortSignal) {
    this.#machine = machine;
    this.#probe = probe;
    this.#hogs = hogs;
    this.#signal = signal;
    const tally = { requests: 0, hits: 0, releasedBytes: 0 };
    // Hot only: whether caches are cold is another question than whether CPUs are busy.
    this.#local = [localFresh, tier1({ machine, tally, coldBytes: 0, evict: () => {} }, 'hot')];
    this.#peer = tier2(machine, 'tier2');
  }

  /** @param block even ones begin quiet, odd ones loaded. */
  async underConstruct(construct: Construct, block: number, handshakes: number, requests: number): Promise<void> {
    if (!(await this.#apply(construct))) return;
    await this.#machine.setReserve(0);
    for (const state of statesOf(block)) {
      this.#signal.throwIfAborted();
      await this.#hogs.work(state === 'loaded');
      const shakes = await ask<number[]>(this.#probe, { call: 'shake', count: handshakes });
      this.#book.add(construct.name, state, shakes);
      const [samples] = await measure([this.#peer], LEASE_BYTES, requests, this.#signal);
      this.#book.add(requestOf(construct), state, samples!.micros);
    }
    await this.#machine.drainDonor();
    await this.#hogs.work(false);
  }

  async tiers(construct: Construct, block: number, requests: number): Promise<void> {
    await this.#apply(construct);
    await this.#machine.setReserve(this.#machine.chunkCount);
    for (const state of statesOf(block)) {
      await this.#hogs.work(state === 'loaded');
      for (const { of, micros } of await measure(this.#local, LEASE_BYTES, requests, this.#signal)) {
        this.#book.add(of.name, state, micros);
      }
    }
    await this.#hogs.work(false);
  }

  rowOf(construct: Construct): ConstructRow {
    const { name, isDefault } = construct;
    const tails = {
      handshake_quiet: this.#book.tail(name, 'quiet'),
      handshake_loaded: this.#book.tail(name, 'loaded'),
      tier2_quiet: this.#book.tail(requestOf(construct), 'quiet'),
      tier2_loaded: this.#book.tail(requestOf(construct), 'loaded'),
    };
    return { name, is_default: isDefault, refused: this.#refused.get(name) ?? [], ...present(tails) };
  }

  tierRows(preferred: Construct): TierRow[] {
    const names = [...this.#local.map(({ name }) => [name, name]), ['tier2', requestOf(preferred)]];
    return names.map(([name, inBook]) => ({
      case: name!,
      bytes: LEASE_BYTES,
      ...present({ quiet: this.#book.tail(inBook!, 'quiet'), loaded: this.#book.tail(inBook!, 'loaded') }),
    }));
  }

  /** @returns whether all of it is in force. The default ones are measured even so: that is what a user gets. */
  async #apply({ name, isDefault, backend, frontend }: Construct): Promise<boolean> {
    const reports = [
      ...(await this.#machine.setScheduling(backend, frontend)),
      ...(await ask<ConstructReport[]>(this.#probe, { call: 'scheduling', scheduling: frontend })),
    ];
    const refused = reports.filter((report) => report.refused !== undefined);
    // Back end and front end are refused the same.
    const once = refused.filter((one, at) => refused.findIndex(({ construct }) => construct === one.construct) === at);
    this.#refused.set(name, once);
    return refused.length === 0 || isDefault;
  }
}

const statesOf = (block: number): readonly State[] => (block % 2 === 0 ? STATES : [...STATES].reverse());

/** Without the keys that have no value. */
function present<Key extends string, Value>(entries: Record<Key, Value | undefined>): Partial<Record<Key, Value>> {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as Partial<
    Record<Key, Value>
  >;
}
