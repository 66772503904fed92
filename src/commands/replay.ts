import { resolve } from 'node:path';
import { openConnection } from '../client/connection.ts';
import { systemClock } from '../clock.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { EXIT, type ExitCode, MemtideError } from '../errors.ts';
import { shippedRecordings } from '../evaluation/recording/catalogue.ts';
import { readRecording } from '../evaluation/recording/read.ts';
import { bySize } from '../evaluation/replay/by-size.ts';
import { LentMemory } from '../evaluation/replay/lent-memory.ts';
import { LocalMemory } from '../evaluation/replay/local-memory.ts';
import { DEFAULT_REPLAY_RULE, planReplay, type ReplayPlan } from '../evaluation/replay/plan.ts';
import { type MemorySource, noFigures, type PlayFigures, play } from '../evaluation/replay/player.ts';
import { systemTimer } from '../pressure/timer.ts';
import type { MemoryTrace } from '../pressure/trace.ts';
import { formatBytes, formatMicros, MIB } from '../units.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface ReplayOptions {
  /** A file, or the name of one that ships. */
  readonly recording?: string;
  readonly domain: string;
  readonly runDir?: string;
  readonly speed: number;
  readonly scale?: number;
  readonly peakMib?: number;
  readonly loop?: boolean;
  readonly local?: boolean;
  readonly json?: boolean;
}

const DEFAULT_RECORDING = 'browser-pages';
/** How long the replayed application would wait for memory of other domains, in milliseconds. */
const DEADLINE_MILLIS = 200;

/** `memtide replay`: plays a recording as an application of a domain, and tells how its requests were served. */
export async function replayCommand(options: ReplayOptions, io: CommandIo): Promise<ExitCode> {
  const { name, trace } = await readRecording(await locate(options.recording ?? DEFAULT_RECORDING, io.cwd));
  const plan = planReplay(trace, {
    ...DEFAULT_REPLAY_RULE,
    scale: scaleOf(options, trace),
    speed: options.speed,
  });
  const where = options.local ? 'malloc of this process' : `domain ${options.domain}`;
  if (!options.json) io.stderr.write(`${name} in ${where}: ${planText(plan)}\n`);
  const figures = noFigures();
  const times = { clock: systemClock, timer: systemTimer, signal: io.signal };
  await withMemory(options, io, async (memory) => {
    do await play(plan, memory, figures, times);
    while (options.loop && !io.signal.aborted);
  });
  io.stdout.write(options.json ? `${JSON.stringify(report(name, options, plan, figures))}\n` : table(figures));
  return EXIT.ok;
}

async function withMemory(
  { domain, runDir, local }: ReplayOptions,
  io: CommandIo,
  use: (memory: MemorySource) => Promise<void>,
): Promise<void> {
  if (local) return use(new LocalMemory(systemClock));
  const connection = await openConnection(new RunFiles(chooseRunDir(runDir, io)).domain(domain).socket);
  try {
    await use(new LentMemory(connection, systemClock, DEADLINE_MILLIS));
  } finally {
    await connection.close();
  }
}

/** The path of what was named: a shipped recording by its name, else a file. */
async function locate(named: string, cwd: string): Promise<string> {
  return (await shippedRecordings()).find(({ name }) => name === named)?.path ?? resolve(cwd, named);
}

function scaleOf({ scale, peakMib }: ReplayOptions, { usedBytes }: MemoryTrace): number {
  if (scale !== undefined && peakMib !== undefined) {
    throw new MemtideError({
      operation: 'replay a recording',
      expected: 'either --scale or --peak-mib',
      actual: 'both',
      remedy: 'leave one out',
      exitCode: EXIT.usage,
    });
  }
  const peak = usedBytes.reduce((most, used) => Math.max(most, used), 0);
  return peakMib === undefined || peak === 0 ? (scale ?? 1) : (peakMib * MIB) / peak;
}

function planText({ steps, durationMicros, peakBytes }: ReplayPlan): string {
  const requests = steps.filter(({ kind }) => kind === 'take').length;
  return `${requests} requests in ${formatMicros(durationMicros)}, at most ${formatBytes(peakBytes)} at once`;
}

/** What `--json` prints. */
function report(recording: string, { domain, local = false }: ReplayOptions, plan: ReplayPlan, figures: PlayFigures) {
  const { stalls, stalledMicros, latestMicros } = figures;
  return {
    recording,
    ...(local ? { local } : { domain }),
    peak_bytes: plan.peakBytes,
    duration_us: plan.durationMicros,
    stalls,
    stalled_us: stalledMicros,
    latest_step_us: latestMicros,
    sizes: bySize(figures).map(({ byteLength, refused, totalMicros }) => ({
      bytes: byteLength,
      refused,
      served: totalMicros?.n ?? 0,
      ...(totalMicros && { total_p50_us: totalMicros.p50, total_max_us: totalMicros.max }),
      ...(totalMicros?.p99 !== undefined && { total_p99_us: totalMicros.p99 }),
    })),
  };
}

function table(figures: PlayFigures): string {
  const lines = ['      size   served  refused         p50         max  (request to last byte written)'];
  for (const { byteLength, refused, totalMicros } of bySize(figures)) {
    const cells = [
      formatBytes(byteLength).padStart(10),
      String(totalMicros?.n ?? 0).padStart(8),
      String(refused).padStart(8),
      (totalMicros ? formatMicros(totalMicros.p50) : '-').padStart(11),
      (totalMicros ? formatMicros(totalMicros.max) : '-').padStart(11),
    ];
    lines.push(cells.join(' '));
  }
  const { stalls, stalledMicros, latestMicros } = figures;
  const stood =
    stalls === 0 ? 'never stood still' : `stood still ${stalls} times, ${formatMicros(stalledMicros)} in all`;
  lines.push(`The program ${stood}; the latest step came ${formatMicros(latestMicros)} after its time.`);
  return `${lines.join('\n')}\n`;
}
