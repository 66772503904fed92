import path from 'node:path';
import type { PlaneScheduling } from '../../../coordination/plane-constructs.ts';
import { summarize } from '../../../latency/percentiles.ts';
import { jointNeedOfBursts } from '../../../policy/joint-need.ts';
import { type Sizing, sizeIdle } from '../../../policy/sizing.ts';
import { bytes, MIB, roundDown } from '../../../units.ts';
import { shippedRecordings } from '../../recording/catalogue.ts';
import type { Recording } from '../../recording/format.ts';
import { readRecording } from '../../recording/read.ts';
import { DEFAULT_REPLAY_RULE, planReplay } from '../../replay/plan.ts';
import type { Progress } from '../bench-run.ts';
import { machineFacts } from '../environment.ts';
import { localFresh } from '../local-cases.ts';
import { CHUNK_BYTES } from '../plan.ts';
import { busyWarning } from '../warnings.ts';
import { type Budget, budgetsOf, divideBudget, staticShares } from './budgets.ts';
import { CurveMachine } from './curve-machine.ts';
import { type BurstSample, outcomesOf } from './outcomes.ts';
import { type BurstMemory, playSchedule } from './play.ts';
import { PrivateShares } from './private-shares.ts';
import type { Curve, CurvePoint, CurveResult } from './result.ts';
import { intervalsOf, mergePlans, offsetShares, rotateTrace, type Schedule } from './schedule.ts';

export interface CurveOptions {
  readonly quick: boolean;
  /** A directory on tmpfs that the bench may fill and remove. */
  readonly scratchDir: string;
  /** The most memory that the bench may hold at once. */
  readonly memoryBytes: number;
  readonly scheduling: PlaneScheduling;
  /** The share of bursts that sizing may fail to cover. */
  readonly missTarget: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Default: those that ship with memtide. */
  readonly recordings?: readonly Recording[];
  /** Bursts of one point. Default: enough for p99. */
  readonly bursts?: number;
  /** Longer quiet is cut to this. Default: by `quick`. */
  readonly gapMillis?: number;
}

/** Of each domain, at most: a round of the largest then fits into any machine that memtide is for. */
const PEAK_BYTES = { quick: 128 * MIB, full: 256 * MIB };
/** Beside the arena: the shares of the static split, as large; and the page tables and heaps of eight processes. */
const SHARE_OF_MEMORY = 1 / 5;
/** p99 has something to stand on. */
const BURSTS = 1000;
/** Recordings have a sample each 10 ms. */
const GAP_MILLIS = { quick: 1, full: 10 };
const LOCAL_SAMPLES = 1000;
const SMALLEST_BYTES = CHUNK_BYTES;

/** Burst latency against idle bytes, memtide beside the static split. @throws the signal's reason when it is aborted. */
export async function runCurve(options: CurveOptions): Promise<CurveResult> {
  const { quick, scratchDir, memoryBytes, scheduling, missTarget, signal, progress } = options;
  const facts = machineFacts();
  const length = quick ? 'quick' : 'full';
  const peakBytes = roundDown(Math.min(PEAK_BYTES[length], memoryBytes * SHARE_OF_MEMORY), CHUNK_BYTES);
  const gapMillis = options.gapMillis ?? GAP_MILLIS[length];
  const studies = (options.recordings ?? (await readShipped())).map((recording) =>
    plan(recording, peakBytes, gapMillis, options),
  );
  const arenaBytes = bytes(studies.reduce((most, { sizing }) => Math.max(most, sizing.worstCaseBytes), CHUNK_BYTES));
  const machine = new CurveMachine({ runDir: path.join(scratchDir, 'curve'), arenaBytes, scheduling });
  try {
    progress('a back end, two domains that burst and a donor', 0);
    await machine.start();
    const curves: Curve[] = [];
    const played = studies.map(({ budgets, rounds }) => budgets.length * playedMicros(rounds));
    const whole = played.reduce((sum, micros) => sum + micros, 0);
    for (const [index, study] of studies.entries()) {
      const before = played.slice(0, index).reduce((sum, micros) => sum + micros, 0);
      const show = (what: string, share: number): void =>
        progress(`${study.recording.name}, ${what}`, (before + share * played[index]!) / whole);
      curves.push(await measureCurve(study, machine, signal, show));
    }
    progress('done', 1);
    const { arena } = machine;
    const busy = busyWarning(facts);
    return {
      platform: 'linux',
      environment: {
        ...facts,
        arena_mib: arenaBytes / MIB,
        arena_huge: arena.huge,
        ...(arena.hugeReason === undefined ? {} : { arena_huge_reason: arena.hugeReason }),
        arena_locked: arena.locked,
        chunk_bytes: CHUNK_BYTES,
        doorbell: 'futex',
        fast_plane_nice: scheduling.nice ?? 0,
        fast_plane_policy: scheduling.policy ?? 'other',
        quick,
      },
      gap_ms: gapMillis,
      miss_target: missTarget,
      curves,
      warnings: busy === undefined ? [] : [busy],
    };
  } finally {
    await machine.stop();
  }
}

async function readShipped(): Promise<Recording[]> {
  const shipped = await shippedRecordings();
  return Promise.all(shipped.map((each) => readRecording(each.path)));
}

/** One recording: how it is played, and with which budgets. */
interface Study {
  readonly recording: Recording;
  readonly scale: number;
  readonly offsetsMicros: readonly number[];
  readonly rounds: readonly Schedule[];
  readonly peaks: readonly number[];
  readonly jointPeakBytes: number;
  readonly sizing: Sizing;
  readonly budgets: readonly Budget[];
}

const playedMicros = (rounds: readonly Schedule[]): number =>
  rounds.reduce((sum, round) => sum + round.playedMicros, 0);

function plan(recording: Recording, peakBytes: number, gapMillis: number, options: CurveOptions): Study {
  const { trace } = recording;
  const { quick, missTarget, bursts = BURSTS } = options;
  const scale = Math.min(1, peakBytes / trace.usedBytes.reduce((most, used) => Math.max(most, used), 1));
  const rule = { ...DEFAULT_REPLAY_RULE, scale, smallestBytes: SMALLEST_BYTES };
  const first = planReplay(trace, rule);
  const requests = first.steps.filter(({ kind }) => kind === 'take').length;
  const offsetsMicros = offsetShares(Math.ceil(bursts / (2 * requests))).map((share) => share * first.durationMicros);
  const pairs = offsetsMicros.map((offset) => [first, planReplay(rotateTrace(trace, offset), rule)] as const);
  const history = pairs.flatMap((pair, round) => intervalsOf(pair, round * 2 * first.durationMicros));
  const joint = jointNeedOfBursts(history, 2);
  const sizing = sizeIdle(joint, { missShare: missTarget, premiumShare: 0, granularityBytes: CHUNK_BYTES });
  const [left, right] = joint.needBytes;
  return {
    recording,
    scale,
    offsetsMicros,
    rounds: pairs.map((pair) => mergePlans(pair, gapMillis * 1000)),
    peaks: joint.needBytes.map((need) => need.reduce((most, each) => Math.max(most, each), 0)),
    jointPeakBytes: left!.reduce((most, need, at) => Math.max(most, need + right![at]!), 0),
    sizing,
    budgets: budgetsOf(sizing, quick, CHUNK_BYTES),
  };
}

async function measureCurve(
  study: Study,
  machine: CurveMachine,
  signal: AbortSignal,
  show: (what: string, share: number) => void,
): Promise<Curve> {
  const { recording, rounds, sizing, budgets, peaks, offsetsMicros } = study;
  const memtide: CurvePoint[] = [];
  const split: CurvePoint[] = [];
  const mib = (sizes: readonly number[]): number[] => sizes.map((size) => size / MIB);
  for (const [index, budget] of budgets.entries()) {
    show(`${budget.bytes / MIB} MiB set aside`, index / budgets.length);
    const holding = divideBudget(budget.bytes, sizing, peaks, CHUNK_BYTES);
    await machine.hold(holding);
    memtide.push({
      ...(await measurePoint(rounds, machine, budget, signal, () => machine.untilAtRest(budget.bytes))),
      reserve_mib: mib(holding.reserves),
      offer_mib: mib(holding.offers),
    });
    const shares = staticShares(budget.bytes, peaks, CHUNK_BYTES);
    const own = new PrivateShares(shares, CHUNK_BYTES, machine.arena.huge);
    // Nothing goes on in the background here, so nothing is waited for between two moments.
    const unpaced = rounds.map((round) => ({
      ...round,
      moments: round.moments.map((moment) => ({ ...moment, pauseMicros: 0 })),
    }));
    split.push({ ...(await measurePoint(unpaced, own, budget, signal)), share_mib: mib(shares) });
    own.close();
  }
  return {
    recording: recording.name,
    scale: study.scale,
    peak_mib: Math.max(...peaks) / MIB,
    recorded_s: rounds[0]!.recordedMicros / 1e6,
    played_s: playedMicros(rounds) / rounds.length / 1e6,
    offsets_s: offsetsMicros.map((offset) => offset / 1e6),
    suggested_mib: sizing.idleBytes / MIB,
    worst_case_mib: sizing.worstCaseBytes / MIB,
    joint_peak_mib: study.jointPeakBytes / MIB,
    memtide,
    static_split: split,
    local_fresh: localOf(freshMicros(memtide[0]!.samples.bytes, LOCAL_SAMPLES)),
    // With a share as large as its worst case, no domain of a static split was refused anything.
    local_pool: localOf(split.at(-1)!.samples.us),
  };
}

async function measurePoint(
  rounds: readonly Schedule[],
  memory: BurstMemory,
  budget: Budget,
  signal: AbortSignal,
  rest: () => Promise<void> = async () => {},
): Promise<CurvePoint> {
  const samples: BurstSample[] = [];
  let idle = 0;
  for (const round of rounds) {
    const played = await playSchedule(round, memory, signal);
    samples.push(...played.samples);
    idle += played.idleBytes / rounds.length;
    await rest();
  }
  const { n, p50, p99, max, missShare, counts } = outcomesOf(samples);
  return {
    set_aside_mib: budget.bytes / MIB,
    ...(budget.name && { name: budget.name }),
    n,
    p50_us: p50,
    ...(p99 !== undefined && { p99_us: p99 }),
    ...(max !== undefined && { max_us: max }),
    miss_share: missShare,
    served_from: counts,
    idle_mib: idle / MIB,
    samples: {
      bytes: samples.map(({ byteLength }) => byteLength),
      us: samples.map(({ micros }) => micros),
      from: samples.map(({ from }) => from),
    },
  };
}

/** `malloc` and touch of requests of the same sizes, `most` of them spread over all. */
function freshMicros(sizes: readonly number[], most: number): number[] {
  localFresh.prepare!(0);
  const step = Math.max(1, Math.floor(sizes.length / most));
  return sizes.filter((_, index) => index % step === 0).map((size) => localFresh.sample(size) as number);
}

function localOf(micros: readonly number[]): Curve['local_fresh'] {
  const { n, p50, p99, max } = summarize(micros)!;
  return { n, p50_us: p50, ...(p99 !== undefined && { p99_us: p99 }), max_us: max };
}
