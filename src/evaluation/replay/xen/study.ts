import fs from 'node:fs';
import { MemtideError } from '../../../errors.ts';
import type { MemoryTrace } from '../../../pressure/trace.ts';
import { type Bytes, bytes, formatBytes, formatMicros, MIB, roundDown } from '../../../units.ts';
import type { Progress } from '../../bench/bench-run.ts';
import { machineFacts } from '../../bench/environment.ts';
import { shippedRecordings } from '../../recording/catalogue.ts';
import { readRecording } from '../../recording/read.ts';
import type { ReplayPlan } from '../plan.ts';
import { bringPlan, type GuestAddress, type GuestPlay, memoryOf, playIn } from './guest-program.ts';
import { Holdings } from './holdings.ts';
import type { GuestRow, PlayRow, ReplayStudyResult } from './result.ts';
import type { Rival, StudyBoard } from './rival.ts';
import { planText, RECORDINGS, type StudySizes, scheduleOf, tightness } from './schedule.ts';
import type { StudySettings } from './settings.ts';
import { boundsOf, summarizePlays } from './summary.ts';

export interface StudyOptions extends StudySettings {
  readonly rivals: readonly Rival[];
  readonly rounds: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const RAW_FOLDER = '/run/share/log';
/** Both guests play the recordings at the same time, once under each rival and in each round, in dom0 of one boot. */
export async function runReplayStudy(options: StudyOptions): Promise<ReplayStudyResult> {
  const { guests, sizes, rivals, rounds, progress } = options;
  const plans = scheduleOf(await readTraces(), sizes);
  const holdings = await Holdings.open(guests.map(({ name }) => name));
  const plays: PlayRow[] = [];
  try {
    const own = await ownNeeds(guests);
    const tight = tightness(sizes, plans, [...own.values()]);
    if (!tight.isTight) throw tooRoomy(sizes, tight.peaksBytes);
    for (const [at, guest] of guests.entries()) await bringPlan(guest, planText(plans[at as 0 | 1]));
    const steps = rounds * rivals.length;
    for (let round = 0; round < rounds; round++) {
      // Whoever comes first finds the machine as the last one left it: each is first in turn.
      for (let turn = 0; turn < rivals.length; turn++) {
        const rival = rivals[(round + turn) % rivals.length]!;
        progress(`${rival.name}, round ${round + 1} of ${rounds}`, plays.length / steps);
        plays.push(await playUnder(rival, round, { ...options, holdings }, plans));
        progress(cameTo(plays.at(-1)!), plays.length / steps);
      }
    }
    const { date, cpu, kernel, node, load_1min } = machineFacts();
    const rows = summarizePlays(plays);
    return {
      platform: 'xen',
      environment: {
        ...{ date, cpu, kernel, node, load_1min },
        total_bytes: sizes.totalBytes,
        floor_bytes: sizes.floorBytes,
        boot_bytes: sizes.bootBytes,
        peak_bytes: sizes.peakBytes,
        slot_s: sizes.slotSeconds,
        play_s: Math.max(...plans.map(({ durationMicros }) => durationMicros)) / 1e6,
        recordings: RECORDINGS,
        rounds,
        own_bytes: Object.fromEntries(own),
        peaks_bytes: tight.peaksBytes,
        together_bytes: tight.togetherBytes,
      },
      rivals: rows,
      bounds: boundsOf(rows),
      plays,
    };
  } finally {
    // As they were created: who comes later counts on it. The interrupted run's own signal must not hinder it.
    const whole = guests.map(({ name }) => ({ name, to: sizes.bootBytes }));
    await holdings.resize(whole, new AbortController().signal).catch(() => {});
    await holdings.close();
  }
}

/** Of the recordings that are played, by name. */
export async function readTraces(): Promise<Map<string, MemoryTrace>> {
  const traces = new Map<string, MemoryTrace>();
  for (const { name, path } of await shippedRecordings()) {
    if (RECORDINGS.includes(name)) traces.set(name, (await readRecording(path)).trace);
  }
  return traces;
}

async function ownNeeds(guests: readonly GuestAddress[]): Promise<Map<string, number>> {
  const needs = new Map<string, number>();
  for (const guest of guests) {
    const { heldBytes, availableBytes } = await memoryOf(guest);
    needs.set(guest.name, heldBytes - availableBytes);
  }
  return needs;
}

async function playUnder(
  rival: Rival,
  round: number,
  board: StudyBoard,
  plans: readonly ReplayPlan[],
): Promise<PlayRow> {
  const { guests, holdings, sizes, signal } = board;
  const half: Bytes = bytes(roundDown(sizes.totalBytes / 2, MIB));
  await holdings.resize(
    guests.map(({ name }) => ({ name, to: half })),
    signal,
  );
  const running = await rival.begin(board);
  try {
    const meansOf = holdings.watch(guests.map(({ name }) => name));
    const play = Promise.all(guests.map((guest) => playIn(guest, signal)));
    await play.catch(() => {}); // the watch ends whatever came of it
    const means = await meansOf();
    const played = await play;
    for (const [at, { name }] of guests.entries()) keepRaw(`${rival.name} ${round + 1} ${name}`, played[at]!.raw);
    keepRaw(`${rival.name} ${round + 1} held`, means.raw);
    const rows = await Promise.all(
      guests.map(async ({ name }, at): Promise<GuestRow> => {
        const requests = plans[at]!.steps.filter(({ kind }) => kind === 'take').length;
        return {
          ...rowOf(name, played[at]!, requests),
          mean_held_bytes: means.byGuest.get(name)!,
          held_at_end_bytes: await holdings.held(name),
          cap_at_end_bytes: await holdings.cap(name),
        };
      }),
    );
    const counts = (await running.counts?.()) ?? {};
    return { rival: rival.name, round, guests: rows, free_at_end_bytes: await holdings.freeBytes(), counts };
  } finally {
    await running.end();
  }
}

/** Every request, and what was held over time: beside the logs of a board that keeps them. */
function keepRaw(name: string, text: string): void {
  if (fs.existsSync(RAW_FOLDER)) fs.writeFileSync(`${RAW_FOLDER}/replay ${name}.txt`.replaceAll(' ', '-'), text);
}

/** For who waits. */
function cameTo({ rival, guests }: PlayRow): string {
  const sum = (of: (row: GuestRow) => number): number => guests.reduce((all, row) => all + of(row), 0);
  const [stalled, killed, found, requests] = [
    sum((row) => row.psi_some_us),
    sum((row) => row.oom_kills),
    sum((row) => row.found),
    sum((row) => row.requests),
  ];
  return `${rival}: stalled ${formatMicros(stalled)}, killed ${killed}, ${found} of ${requests} requests found their memory`;
}

type Measured = Omit<GuestRow, 'mean_held_bytes' | 'held_at_end_bytes' | 'cap_at_end_bytes'>;

const rowOf = (guest: string, { outcome, kernel }: GuestPlay, requests: number): Measured => ({
  guest,
  psi_some_us: kernel.someMicros,
  psi_full_us: kernel.fullMicros,
  oom_kills: kernel.oomKills,
  kills: outcome.kills,
  requests,
  found: outcome.found,
  short: outcome.short,
  lost: outcome.lost,
  late_steps: outcome.lateSteps,
  latest_us: outcome.latestMicros,
  writing_us: outcome.writingMicros,
  longest_write_us: outcome.longestWriteMicros,
  least_available_bytes: outcome.leastAvailableBytes,
});

const tooRoomy = ({ totalBytes }: StudySizes, peaksBytes: number): MemtideError =>
  new MemtideError({
    operation: 'size the study',
    expected: `peaks of both guests above the total of ${formatBytes(totalBytes)}`,
    actual: formatBytes(peaksBytes),
    remedy: 'a smaller total_mib, or a larger peak_mib, in the settings of the study',
  });
